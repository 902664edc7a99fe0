package sns

// What the tests of fetching need from inside: connections of their own.
var (
	FetchOver    = fetchOver
	PublicDialer = publicDialer
	Public       = public
)
