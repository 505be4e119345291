package media

import (
	"strings"
	"testing"
)

// A packet with very many parameter sets is not compared set by set.
func TestStream_BoundsParameterSets(t *testing.T) {
	var s Stream
	two := [][]byte{{0x67, 1}, {0x68, 2}}
	if why := s.addSets(two); why != "" {
		t.Fatal(why)
	}
	if why := s.addSets(two); why != "" {
		t.Errorf("the same sets again: %s", why)
	}
	if why := s.addSets([][]byte{{0x67, 9}}); why == "" {
		t.Error("other sets are taken")
	}
	var many [][]byte
	for range maxSetsPlace + 1 {
		many = append(many, two[0])
	}
	if why := s.addSets(many); !strings.Contains(why, "more than 32") {
		t.Errorf("very many sets: %q", why)
	}
}
