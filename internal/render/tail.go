package render

import (
	"bytes"
	"sync"
)

// tailSize is how much of a child's stderr is kept, in bytes: its last lines, which say why it died.
const tailSize = 8 << 10

// tail is a writer that keeps the last tailSize bytes.
type tail struct {
	mu   sync.Mutex
	data []byte
	lost bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p[max(0, len(p)-tailSize):]...)
	if cut := len(t.data) - tailSize; cut > 0 || len(p) > tailSize {
		t.data = append(t.data[:0], t.data[max(0, cut):]...)
		t.lost = true
	}
	return len(p), nil
}

// String returns the whole lines of what was kept. Text that is not UTF-8 is repaired, for it may end in a database.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	data := t.data
	if i := bytes.IndexByte(data, '\n'); t.lost && i >= 0 {
		data = data[i+1:]
	}
	data = bytes.ReplaceAll(bytes.ToValidUTF8(data, []byte("\uFFFD")), []byte{0}, []byte("\uFFFD"))
	return string(bytes.TrimSpace(data))
}
