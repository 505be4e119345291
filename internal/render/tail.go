package render

import (
	"bytes"
	"sync"
)

// A child's last lines say why it died; of a crash of the Go runtime the first do, before the stacks of all goroutines.
const (
	headSize = 2 << 10
	tailSize = 6 << 10
)

// tail is a writer that keeps the first headSize and the last tailSize bytes.
type tail struct {
	mu   sync.Mutex
	head []byte
	data []byte
	lost bool // something between the two
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := len(p)
	n := min(len(p), headSize-len(t.head))
	t.head = append(t.head, p[:n]...)
	p = p[n:]
	if cut := len(t.data) + len(p) - tailSize; cut > 0 {
		t.lost = true
		t.data = append(t.data[:0], t.data[min(cut, len(t.data)):]...)
		p = p[max(0, len(p)-tailSize):]
	}
	t.data = append(t.data, p...)
	return size, nil
}

// String returns what was kept, a line with three dots for what was not. Text that is not UTF-8 is repaired and has no
// NUL, for it may end in a database.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	head, data := t.head, t.data
	if t.lost {
		if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
			head = head[:i]
		}
		data = data[bytes.IndexByte(data, '\n')+1:]
		head = append(bytes.Clone(head), "\n...\n"...)
	}
	data = append(bytes.Clone(head), data...)
	data = bytes.ReplaceAll(bytes.ToValidUTF8(data, []byte("\uFFFD")), []byte{0}, []byte("\uFFFD"))
	return string(bytes.TrimSpace(data))
}
