package layout

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
)

func TestSelect(t *testing.T) {
	sid := func(prefix string, last string) string { return prefix + strings.Repeat("a", 31) + last }
	sources := []Source{
		{Recording: sid("RT", "1"), Track: sid("MT", "1"), Participant: sid("PA", "1"), Name: "alice-cam"},
		{Recording: sid("RT", "2"), Track: sid("MT", "2"), Participant: sid("PA", "1"), Name: "alice-screen"},
		{Recording: sid("RT", "3"), Track: sid("MT", "3"), Participant: sid("PA", "2"), Name: "bob-cam"},
		{Recording: sid("RT", "4"), Track: sid("MT", "4"), Participant: sid("PA", "3"), Name: sid("MT", "4")}, // unnamed
		{Recording: sid("RT", "5"), Track: sid("MT", "5"), Participant: sid("PA", "3"), Name: "PAULA"},
	}
	for _, c := range []struct {
		name             string
		include, exclude []string
		want             []int
	}{
		{"nothing", nil, nil, nil},
		{"all", []string{"*"}, nil, []int{0, 1, 2, 3, 4}},
		{"star at the end", []string{"alice*"}, nil, []int{0, 1}},
		{"star at the beginning", []string{"*cam"}, nil, []int{0, 2}},
		{"star at both ends", []string{"*-*"}, nil, []int{0, 1, 2}},
		{"star stands for nothing too", []string{"bob-cam*", "*PAULA"}, nil, []int{2, 4}},
		{"name", []string{"bob-cam"}, nil, []int{2}},
		{"name in another case", []string{"Bob-Cam"}, nil, nil},
		{"name that begins like a SID", []string{"PAULA"}, nil, []int{4}},
		{"recording", []string{sid("RT", "3")}, nil, []int{2}},
		{"recording in upper case", []string{"RT" + strings.Repeat("A", 31) + "3"}, nil, []int{2}},
		{"track", []string{sid("MT", "2")}, nil, []int{1}},
		{"unnamed track", []string{sid("MT", "4")}, nil, []int{3}},
		{"participant is all of its tracks", []string{sid("PA", "1")}, nil, []int{0, 1}},
		{"twice is once", []string{"*", "alice-cam"}, nil, []int{0, 1, 2, 3, 4}},
		{"exclusion wins", []string{"alice-cam", "*"}, []string{"alice*", sid("RT", "4")}, []int{2, 4}},
		{"exclude all", []string{"*"}, []string{"*"}, nil},
		{"unknown", []string{"carol", sid("RT", "9")}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Select(sources, c.include, c.exclude)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidateSelectors(t *testing.T) {
	if err := ValidateSelectors("AudioSources", []string{"*", "a*", "*a", "*a*", "a", strings.Repeat("é", 128)}); err != nil {
		t.Error(err)
	}
	for _, list := range [][]string{{""}, {"ok", ""}, {"a*b"}, {"a**"}, {strings.Repeat("a", 131)}, make([]string, 1001)} {
		err := ValidateSelectors("AudioSources", list)
		var e *roomreel.Error
		if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Param != "AudioSources" {
			t.Errorf("%.20q: %v, want an error about AudioSources", list, err)
		}
	}
}
