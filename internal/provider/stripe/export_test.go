package stripe

// What a body is filed under, read in either way.
var (
	Named       = named
	DecodedName = decodedName
)
