package dir

import (
	"sync"
	"testing"
)

// Stores in one folder are opened and closed at the same time, as by several commands beside a service.
func TestOpen_BesideOthersThatClose(t *testing.T) {
	folder := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				s, err := Open(folder)
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			}
		})
	}
	all.Wait()
}
