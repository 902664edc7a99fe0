package status

import "github.com/hashicorp/golang-lru/v2/simplelru"

// versions remembers the last version of the rows that were seen last. It is for
// one goroutine.
type versions struct{ last *simplelru.LRU[row, int64] }

type row struct{ org, id string }

// newVersions makes room for n rows, n > 0.
func newVersions(n int) *versions {
	last, err := simplelru.NewLRU[row, int64](n, nil)
	if err != nil {
		panic(err) // it says that n is not positive
	}
	return &versions{last: last}
}

// isNew tells whether a version lies above the last one of its row. A row that
// was forgotten has none.
func (v *versions) isNew(id identity) bool {
	last, known := v.last.Get(row{id.org, id.row})
	return !known || id.version > last
}

func (v *versions) seen(id identity) { v.last.Add(row{id.org, id.row}, id.version) }
