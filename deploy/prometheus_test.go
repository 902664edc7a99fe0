package deploy_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// prometheusConfig is the part of Prometheus's configuration that we use; what
// is not in it is refused.
type prometheusConfig struct {
	Global struct {
		ScrapeInterval time.Duration `yaml:"scrape_interval"`
	} `yaml:"global"`
	ScrapeConfigs []struct {
		JobName string `yaml:"job_name"`
		DNS     []struct {
			Names []string `yaml:"names"`
			Type  string   `yaml:"type"`
			Port  uint32   `yaml:"port"`
		} `yaml:"dns_sd_configs"`
	} `yaml:"scrape_configs"`
}

func TestPrometheusScrapesEveryService(t *testing.T) {
	t.Parallel()
	var cfg prometheusConfig
	d := yaml.NewDecoder(bytes.NewReader(read(t, "deploy/prometheus/prometheus.yml")))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&cfg))
	require.Equal(t, 15*time.Second, cfg.Global.ScrapeInterval)

	p := project(t)
	prometheus := service(t, p, "prometheus")
	scraped := map[string]uint32{}
	for _, job := range cfg.ScrapeConfigs {
		require.Len(t, job.DNS, 1, job.JobName)
		require.Equal(t, []string{job.JobName}, job.DNS[0].Names)
		require.Equal(t, "A", job.DNS[0].Type, "the engine's DNS has no SRV records")
		require.True(t, meet(prometheus, service(t, p, job.JobName)), job.JobName)
		scraped[job.JobName] = job.DNS[0].Port
	}
	want := map[string]uint32{}
	for name, s := range p.Services {
		if listen, ok := environ(s)["WAYBILL_ADMIN_LISTEN"]; ok {
			want[name] = portOf(t, listen)
			require.True(t, strings.HasPrefix(listen, ":"), "%s: Prometheus is not on its loopback", name)
		}
	}
	require.Len(t, want, 3)
	require.Equal(t, want, scraped)

	const file = "/etc/prometheus/prometheus.yml"
	require.Contains(t, prometheus.Command, "--config.file="+file)
	require.True(t, slices.ContainsFunc(prometheus.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Target == file && strings.HasSuffix(v.Source, "/deploy/prometheus/prometheus.yml")
	}))
	require.Contains(t, prometheus.Command, "--storage.tsdb.path=/prometheus")
}

// portOf returns the port of a listener on every address.
func portOf(t *testing.T, listen string) uint32 {
	t.Helper()
	_, port, _ := strings.Cut(listen, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)
	return uint32(n)
}
