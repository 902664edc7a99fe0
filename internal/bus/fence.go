package bus

// Fence is a consumer's claim on a partition, checked by whoever keeps its
// position: At is the position that the consumer believes to be the next, Next
// the one behind its batch (never below At). Whoever is wrong about At applies
// nothing and gets [ErrFenced].
type Fence struct {
	Topic     string
	Partition int
	At, Next  int64
}
