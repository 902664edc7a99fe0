package retention_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/retention"
)

func TestTheDefaultsHoldAndAreWhatTopicsAreMadeWith(t *testing.T) {
	t.Parallel()
	var c retention.Config
	require.NoError(t, config.Load(&c, config.Source{}))
	require.Equal(t, events.DefaultLifetimes, c.Profile(events.Production).Keep)
	require.Equal(t, events.Topics(events.Production), events.Topics(c.Profile(events.Production)))
	require.Equal(t, 8*24*time.Hour, c.Replayable(), "a file of the log outlives its week by a day")
	require.GreaterOrEqual(t, c.EventIDs, 30*24*time.Hour)
	for _, table := range retention.Tables() {
		if table != retention.Erased {
			require.Positive(t, c.Keep(table), table)
		}
	}
}

func TestNothingMayGoThatAReplayNeeds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  config.Source
		want string // "" = good
	}{
		"event ids below a month":       {config.Source{"EVENT_IDS": "719h", "DUPLICATES": "400h"}, "WAYBILL_RETENTION_EVENT_IDS: want at least 720h"},
		"event ids below the topics":    {config.Source{"RAW": "720h", "DUPLICATES": "720h"}, "WAYBILL_RETENTION_EVENT_IDS: want at least 744h"},
		"event ids above the topics":    {config.Source{"RAW": "720h", "EVENT_IDS": "744h", "DUPLICATES": "744h"}, ""},
		"event ids below parked events": {config.Source{"PARK": "2000h", "HELD": "0", "TIMELINE": "2160h"}, "WAYBILL_RETENTION_EVENT_IDS: want at least 2000h"},
		"duplicates above event ids":    {config.Source{"DUPLICATES": "721h"}, "WAYBILL_RETENTION_DUPLICATES"},
		"timeline below the topics":     {config.Source{"TIMELINE": "191h"}, "WAYBILL_RETENTION_TIMELINE: want at least 192h"},
		"held below parked":             {config.Source{"HELD": "200h"}, "WAYBILL_RETENTION_HELD: want 0, or at least 240h"},
		"held for ever":                 {config.Source{"HELD": "0"}, ""},
		"mappings below a month":        {config.Source{"MAP": "719h"}, "WAYBILL_RETENTION_MAP: want 0, or at least 720h"},
		"mappings below the topics":     {config.Source{"RAW": "720h", "EVENT_IDS": "744h", "DUPLICATES": "744h", "MAP": "743h"}, "WAYBILL_RETENTION_MAP: want 0, or at least 744h"},
		"mappings below parked events":  {config.Source{"PARK": "2200h", "HELD": "0", "TIMELINE": "2200h", "EVENT_IDS": "2200h", "DUPLICATES": "2200h"}, "WAYBILL_RETENTION_MAP: want 0, or at least 2200h"},
		"mappings for ever":             {config.Source{"MAP": "0"}, ""},
		"answers without conversations": {config.Source{"CONVERSATIONS": "2159h"}, "WAYBILL_RETENTION_CONVERSATIONS: want 0, or at least 2160h"},
		"conversations for ever":        {config.Source{"CONVERSATIONS": "0"}, ""},
		"people's data for ever":        {config.Source{"DOMAIN": "721h"}, "WAYBILL_RETENTION_DOMAIN: want 24h to 720h"},
		"no time to repair":             {config.Source{"RAW": "23h"}, "WAYBILL_RETENTION_RAW: want 24h to 720h"},
		"samples for ever":              {config.Source{"REJECTED": "169h"}, "WAYBILL_RETENTION_REJECTED"},
		"no parking":                    {config.Source{"PARK": "0"}, "WAYBILL_PARK_MAX_AGE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := config.Source{}
			for k, v := range c.env {
				if k == "PARK" {
					env["WAYBILL_PARK_MAX_AGE"] = v
					continue
				}
				env["WAYBILL_RETENTION_"+k] = v
			}
			var cfg retention.Config
			err := config.Load(&cfg, env)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
