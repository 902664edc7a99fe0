package deploy_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

func TestEveryServiceIsHardened(t *testing.T) {
	t.Parallel()
	for name, s := range project(t).Services {
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Empty(t, s.CapAdd, name)
		require.False(t, s.Privileged, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		// Kafka's image writes below /opt/kafka; docker-compose.yml says so.
		require.Equal(t, name != "kafka", s.ReadOnly, name)
		for _, v := range s.Volumes {
			require.True(t, v.Type == types.VolumeTypeVolume || v.ReadOnly, "%s may change %s", name, v.Source)
			require.NotContains(t, v.Source, "docker.sock", name)
		}
		require.NotEqual(t, "host", s.NetworkMode, name)
		require.Equal(t, "local", s.Logging.Driver, "%s: logs that are not rotated fill the disk", name)
	}
}

func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	for name, s := range project(t).Services {
		requirePinned(t, s.Image, name)
	}
}

// requirePinned wants a tag that says which release.
func requirePinned(t *testing.T, image, where string) {
	t.Helper()
	_, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	require.True(t, ok, "%s: %s has no tag", where, image)
	require.NotEqual(t, "latest", tag, "%s: %s", where, image)
}

func TestWhatIsMountedExists(t *testing.T) {
	t.Parallel()
	p := project(t)
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				require.Contains(t, p.Volumes, v.Source, name)
				continue
			}
			// The engine makes an empty folder of what is not there.
			info, err := os.Stat(v.Source)
			require.NoError(t, err, name)
			require.True(t, info.Mode().IsRegular(), v.Source)
		}
		if s.Build != nil {
			require.FileExists(t, filepath.Join(s.Build.Context, s.Build.Dockerfile), name)
			dir, err := filepath.Abs(root)
			require.NoError(t, err)
			require.Equal(t, dir, filepath.Clean(s.Build.Context), "%s: the Dockerfile copies from the root", name)
		}
	}
	data := map[string]string{"kafka": environ(service(t, p, "kafka"))["KAFKA_LOG_DIRS"], "postgres": "/var/lib/postgresql", "prometheus": "/prometheus"}
	for name, path := range data {
		require.True(t, slices.ContainsFunc(service(t, p, name).Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Target == path
		}), "%s: %s would be lost with the container", name, path)
	}
}

func TestServicesStartInOrder(t *testing.T) {
	t.Parallel()
	p := project(t)
	const healthy, done = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	for name, want := range map[string]map[string]string{
		"migrate": {"postgres": healthy},
		"topics":  {"kafka": healthy},
		"ingest":  {"topics": done}, // needs Kafka alone
		"router":  {"migrate": done, "topics": done},
		"workers": {"migrate": done, "topics": done},
		// Not the steps: they would run before each verb.
		"waybill": {"kafka": healthy, "postgres": healthy},
	} {
		got := map[string]string{}
		for on, d := range service(t, p, name).DependsOn {
			got[on] = d.Condition
			require.True(t, d.Required, name)
		}
		require.Equal(t, want, got, name)
	}
	for name, s := range p.Services {
		for on, d := range s.DependsOn {
			if d.Condition == healthy {
				require.NotNil(t, service(t, p, on).HealthCheck, "%s waits for %s's health", name, on)
			}
		}
		switch name {
		case "migrate", "topics", "waybill":
			require.Equal(t, types.RestartPolicyNo, s.Restart, "%s ends when it is done", name)
		default:
			require.Equal(t, types.RestartPolicyUnlessStopped, s.Restart, name)
			require.NotNil(t, s.HealthCheck, "`up --wait` would not wait for %s", name)
			require.GreaterOrEqual(t, time.Duration(*s.StopGracePeriod), 15*time.Second, name)
		}
	}
	// `up` starts everything but the operators' command.
	var atHand []string
	for name, s := range p.Services {
		if len(s.Profiles) > 0 {
			atHand = append(atHand, name)
		}
	}
	require.Equal(t, []string{"waybill"}, atHand)
}

func TestOnlyTwoPortsArePublishedAndOnLoopback(t *testing.T) {
	t.Parallel()
	p := project(t)
	published := map[string]uint32{}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			published[name] = port.Target
			addr, err := netip.ParseAddr(port.HostIP)
			require.NoError(t, err, "%s: %s is published everywhere", name, port.Published)
			require.True(t, addr.IsLoopback(), name)
		}
		require.LessOrEqual(t, len(s.Ports), 1, name)
	}
	require.Equal(t, map[string]uint32{"ingest": portOf(t, environ(service(t, p, "ingest"))["WAYBILL_LISTEN"]), "prometheus": 9090}, published)

	// Another address is the operator's choice.
	env := filledEnv(t)
	env["INGEST_BIND"], env["PROMETHEUS_BIND"] = "192.0.2.1:443", "127.0.0.1:9091"
	p, err := load(t, env)
	require.NoError(t, err)
	require.Equal(t, "192.0.2.1", service(t, p, "ingest").Ports[0].HostIP)
	require.Equal(t, "443", service(t, p, "ingest").Ports[0].Published)
	require.Equal(t, "9091", service(t, p, "prometheus").Ports[0].Published)
}

func TestNetworksKeepApartWhatNeedNotMeet(t *testing.T) {
	t.Parallel()
	p := project(t)
	// What docs/config.md says of each, and nothing besides.
	for _, pair := range [][2]string{
		{"ingest", "postgres"},
		{"migrate", "kafka"},
		{"topics", "postgres"},
		{"prometheus", "postgres"},
		{"prometheus", "kafka"},
		{"kafka", "postgres"},
	} {
		require.False(t, meet(service(t, p, pair[0]), service(t, p, pair[1])), "%s has no business with %s", pair[0], pair[1])
	}
	for name, n := range p.Networks {
		var members []string
		open := false
		for _, s := range p.Services {
			if _, ok := s.Networks[name]; ok {
				members = append(members, s.Name)
				open = open || len(s.Ports) > 0
			}
		}
		if n.Internal {
			continue
		}
		require.True(t, open && len(members) == 1, "network %s lets %v out, and publishes nothing of theirs", name, members)
	}
	// A port of a container on internal networks alone is not published.
	for name, s := range p.Services {
		require.True(t, len(s.Ports) == 0 || slices.ContainsFunc(s.NetworksByPriority(), func(n string) bool { return !p.Networks[n].Internal }), name)
	}
}

func TestCommandsAreInTheImage(t *testing.T) {
	t.Parallel()
	p := project(t)
	image := build(t)
	for name := range ours {
		s := service(t, p, name)
		argv := slices.Concat([]string(s.Entrypoint), []string(s.Command))
		if len(s.Entrypoint) == 0 {
			argv = slices.Concat(image.entrypoint, []string(s.Command))
		}
		requireCommand(t, image, argv, name)
		if name == "waybill" {
			require.Equal(t, []string{"/waybill"}, argv, "the verb comes from the command line")
		}
	}
	for name, run := range map[string]string{"ingest": "/ingest", "router": "/router", "workers": "/workers"} {
		require.Equal(t, types.ShellCommand{run}, service(t, p, name).Entrypoint, name)
		check := service(t, p, name).HealthCheck.Test
		require.Equal(t, "CMD", check[0], "%s: there is no shell", name)
		requireCommand(t, image, check[1:], name)
		listen := environ(service(t, p, name))["WAYBILL_ADMIN_LISTEN"]
		require.Equal(t, []string{"/waybill", "health", "http://127.0.0.1" + listen + "/readyz"}, []string(check[1:]), name)
	}
}

// requireCommand wants a program of the image and, of waybill, a verb: every
// verb has its help in that command's testdata.
func requireCommand(t *testing.T, image image, argv []string, where string) {
	t.Helper()
	require.NotEmpty(t, argv, where)
	require.Contains(t, image.programs, argv[0], "%s: the image has no such program", where)
	if argv[0] != "/waybill" || len(argv) == 1 {
		return
	}
	verb := argv[1:]
	if verb[0] == "health" {
		verb = verb[:1]
	}
	require.FileExists(t, filepath.Join(root, "cmd", "waybill", "testdata", "help", strings.Join(verb, "_")+".txt"), where)
}
