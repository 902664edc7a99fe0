package control_test

import (
	"testing"

	"waybill/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
