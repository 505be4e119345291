package layout

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"roomreel"
)

// Limits of a list of selectors. Twilio documents 128 characters for the name of a track; a selector may have two stars more.
// The length of a list is our own limit: ten times the participants of the largest room.
const (
	maxSelector  = 130
	maxSelectors = 1000
)

// Select returns the indexes of the sources that include selects and exclude does not, in ascending order. The caller passes
// sources of one kind only: video for a region, audio for AudioSources.
//
// A selector is the SID of a recording, a track or a participant (which selects all its tracks), or the name of a track. A
// star at the beginning or end of a name matches any number of characters. Names are case-sensitive; the hexadecimal digits
// of SIDs are not. An empty include selects nothing.
func Select(sources []Source, include, exclude []string) []int {
	var selected []int
	for i, s := range sources {
		if matchAny(include, s) && !matchAny(exclude, s) {
			selected = append(selected, i)
		}
	}
	return selected
}

// ValidateSelectors refuses a list that is too long or that has a malformed selector. An empty list is valid. The error is a
// *roomreel.Error that names param.
func ValidateSelectors(param string, list []string) error {
	if fault := selectorsFault(list); fault != "" {
		return roomreel.InvalidParam(param, "%s", fault)
	}
	return nil
}

// selectorsFault says what is wrong with a list of selectors. It returns "" for a valid list.
func selectorsFault(list []string) string {
	if len(list) > maxSelectors {
		return "has more than 1000 entries; use a wildcard such as [\"*\"]"
	}
	for _, selector := range list {
		switch {
		case selector == "":
			return "holds an empty name; give a track name, an RT, MT or PA SID, or *"
		case utf8.RuneCountInString(selector) > maxSelector:
			return "holds a name of more than 128 characters"
		case strings.Contains(strings.TrimSuffix(strings.TrimPrefix(selector, "*"), "*"), "*"):
			return "holds " + strconv.Quote(selector) + "; a name may hold a * at its beginning and at its end only"
		}
	}
	return ""
}

func matchAny(selectors []string, s Source) bool {
	for _, selector := range selectors {
		if match(selector, s) {
			return true
		}
	}
	return false
}

// match treats a selector as a SID only if it has the form of one, because a track may be named RTlobby. A track whose name is
// the SID of another is also matched by name.
func match(selector string, s Source) bool {
	rest, tail := strings.CutPrefix(selector, "*")
	rest, head := strings.CutSuffix(rest, "*")
	switch {
	case head && tail:
		return strings.Contains(s.Name, rest)
	case head:
		return strings.HasPrefix(s.Name, rest)
	case tail:
		return strings.HasSuffix(s.Name, rest)
	}
	if selector == s.Name {
		return true
	}
	if len(selector) != 34 {
		return false
	}
	switch selector[:2] {
	case "RT":
		return sameSID(selector, s.Recording)
	case "MT":
		return sameSID(selector, s.Track)
	case "PA":
		return sameSID(selector, s.Participant)
	}
	return false
}

func sameSID(a, b string) bool { return len(a) == len(b) && a[:2] == b[:2] && strings.EqualFold(a, b) }

// Matches returns the indexes of the sources that any region selects, in ascending order. It ignores their times, because
// the film's time line is built from its result.
func (l Layout) Matches(sources []Source) []int {
	var selected []int
	for _, r := range l.Regions {
		selected = append(selected, Select(sources, r.VideoSources, r.VideoSourcesExcluded)...)
	}
	slices.Sort(selected)
	return slices.Compact(selected)
}
