package operate

import "slices"

// bases returns the configured base URLs, and those with every other spelling
// of every base.
func (x *Explain) bases() (configured, all []Base) {
	seen := map[string]bool{}
	add := func(to *[]Base, b Base) {
		if !seen[b.URL] {
			seen[b.URL] = true
			*to = append(*to, b)
		}
	}
	for _, b := range x.Bases {
		if b.How == "" {
			add(&configured, b)
		}
	}
	all = slices.Clone(configured)
	if x.Party.BaseSpellings == nil {
		return configured, all
	}
	for _, b := range x.Bases {
		for _, s := range x.Party.BaseSpellings(b.URL) {
			how := s.How
			if b.How != "" {
				how = b.How
			}
			if how != "" {
				add(&all, Base{s.URL, how})
			}
		}
	}
	return configured, all
}

func urls(bases []Base) []string {
	out := make([]string, len(bases))
	for i, b := range bases {
		out[i] = b.URL
	}
	return out
}
