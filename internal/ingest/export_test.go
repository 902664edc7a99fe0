package ingest

// What a sample keeps of a request's URI.
var (
	PlainPath  = plainPath
	QueryNames = queryNames
	PathOf     = pathOf
)
