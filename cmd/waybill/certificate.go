package main

import (
	"fmt"
	"io"
	"path/filepath"

	"waybill/internal/simulate"
)

type certificateCmd struct {
	Dir string `arg:"" placeholder:"DIR" help:"Folder for the certificate and its key; it is made if need be."`
}

// Help says what it is for, with an example.
func (certificateCmd) Help() string {
	return `Makes what waybill simulate needs to play deliveries of Amazon SNS: a private key, and a certificate that stands in for
Amazon's. Ingest takes it only where WAYBILL_SNS_CERT_DIR names the folder, and then no certificate of Amazon's that is not
there too: whoever has the key can sign as SNS, so never pin it where real topics deliver. A folder that has a pair is
left as it is, and one that has certificates without their keys is refused.

Example:

  waybill certificate ./sns-certificate      # then start ingest with WAYBILL_SNS_CERT_DIR=./sns-certificate
  waybill simulate --url http://127.0.0.1:8080 --sns-cert-dir ./sns-certificate`
}

// Run makes the pair.
func (c certificateCmd) Run(s *session) error {
	made, err := simulate.KeepCertificate(c.Dir)
	if err != nil {
		return err
	}
	file := filepath.Join(c.Dir, made.File)
	return s.print(map[string]string{"certificate": file}, func(w io.Writer) { fmt.Fprintln(w, file) })
}
