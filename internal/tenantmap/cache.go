package tenantmap

import (
	"github.com/maypok86/otter/v2"
)

// entryOverhead is about what an entry costs beside its texts, in bytes.
const entryOverhead = 160

// Cache holds mappings of resources, which never change their organisation or
// row once they have one. What is not in it is asked for; it remembers nothing
// about keys that are not on record, so it can never justify holding an event.
// It is safe for concurrent use.
type Cache struct {
	otter *otter.Cache[Key, Mapping]
}

// NewCache returns a cache of at most so many bytes.
func NewCache(bytes int) *Cache {
	return &Cache{otter.Must(&otter.Options[Key, Mapping]{
		MaximumWeight: uint64(max(bytes, entryOverhead)), //nolint:gosec // not negative
		Weigher: func(k Key, m Mapping) uint32 {
			return uint32(len(k.Value) + len(m.Org) + len(m.Row) + entryOverhead) //nolint:gosec // bounded texts
		},
	})}
}

// Get returns the mapping of a key if it is cached.
func (c *Cache) Get(k Key) (Mapping, bool) { return c.otter.GetIfPresent(k) }

// Put remembers a mapping.
func (c *Cache) Put(k Key, m Mapping) { c.otter.Set(k, m) }

// Clear forgets everything.
func (c *Cache) Clear() { c.otter.InvalidateAll() }

// Len returns about how many entries there are, Bytes about how large they are.
func (c *Cache) Len() int { return c.otter.EstimatedSize() }

// Bytes returns about how many bytes the entries take.
func (c *Cache) Bytes() int { return int(c.otter.WeightedSize()) } //nolint:gosec // bounded by NewCache
