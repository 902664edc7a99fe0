package simulate

import "container/heap"

// agenda holds letters, the one whose turn comes next first.
type agenda struct{ letters letterHeap }

func (a *agenda) push(l *letter) { heap.Push(&a.letters, l) }

func (a *agenda) pop() *letter {
	l, _ := heap.Pop(&a.letters).(*letter)
	return l
}

// first returns the next letter and leaves it there; nil if there is none.
func (a *agenda) first() *letter {
	if len(a.letters) == 0 {
		return nil
	}
	return a.letters[0]
}

// letterHeap implements [heap.Interface].
type letterHeap []*letter

func (h *letterHeap) Len() int           { return len(*h) }
func (h *letterHeap) Less(i, j int) bool { return (*h)[i].next.Before((*h)[j].next) }
func (h *letterHeap) Swap(i, j int)      { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

// Push implements [heap.Interface].
func (h *letterHeap) Push(x any) {
	l, _ := x.(*letter)
	*h = append(*h, l)
}

// Pop implements [heap.Interface].
func (h *letterHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return l
}
