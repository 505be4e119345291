package app

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/store"
)

// Anonymize replaces the identity of a participant by its SID, and the names of its tracks by theirs, wherever the service keeps
// them: rows, rules, events that are still to be delivered, and the requests and reports of the room's compositions. Media stays as it
// is. A recording that is uploaded later under the old identity belongs to a new participant.
func (a *App) Anonymize(ctx context.Context, acct roomreel.AccountSID, room, sidOrIdentity string) (roomreel.Participant, error) {
	r, p, err := a.participantOf(ctx, acct, room, sidOrIdentity)
	if err != nil {
		return p, err
	}
	return a.store.AnonymizeParticipant(ctx, r, p.SID, func(names store.Names, c roomreel.Composition) roomreel.FilmSpec {
		n := anonymizer{Names: names, sid: string(p.SID), inProgress: c.Status.InProgress()}
		return n.spec(c.Spec)
	})
}

// anonymizer takes a participant's names out of a composition's request, so that it selects the same recordings as before.
type anonymizer struct {
	store.Names
	sid        string // of the participant
	inProgress bool   // the composition may still select recordings
}

func (n anonymizer) spec(spec roomreel.FilmSpec) roomreel.FilmSpec {
	spec.AudioSources, spec.AudioSourcesExcluded = n.selectors(spec.AudioSources), n.selectors(spec.AudioSourcesExcluded)
	size, err := layout.ParseResolution(spec.Resolution, layout.Largest)
	if err != nil {
		return spec
	}
	film, err := layout.Parse(spec.VideoLayout, size)
	if err != nil {
		return spec
	}
	for i := range film.Regions {
		region := &film.Regions[i]
		region.VideoSources, region.VideoSourcesExcluded = n.selectors(region.VideoSources), n.selectors(region.VideoSourcesExcluded)
		region.Name = n.words(region.Name)
	}
	spec.VideoLayout = film.JSON()
	return spec
}

// selectors replaces each selector that selects a track of the participant by its name: by the SIDs of the tracks, and by itself if it
// selects tracks of others too. One that holds the identity and selects nothing is left out once nothing can come that it selects.
func (n anonymizer) selectors(list []string) []string {
	var result []string
	add := func(selector string) {
		if !slices.Contains(result, selector) {
			result = append(result, selector)
		}
	}
	for _, selector := range list {
		selects := func(name string) bool {
			return len(layout.Select([]layout.Source{{Name: name}}, []string{selector}, nil)) > 0
		}
		if strings.Trim(selector, "*") == "" { // all tracks
			add(selector)
			continue
		}
		own := false
		for _, track := range n.Tracks {
			if selects(track.Name) {
				own = true
				add(string(track.SID))
			}
		}
		if slices.ContainsFunc(n.Others, selects) || !own && (n.inProgress || n.words(selector) == selector) {
			add(selector)
		}
	}
	return result
}

// words replaces the identity and the names of tracks where they stand as words of their own in a text.
func (n anonymizer) words(text string) string {
	text = replaceWord(text, n.Identity, n.sid)
	for _, track := range n.Tracks {
		if !slices.Contains(n.Others, track.Name) {
			text = replaceWord(text, track.Name, string(track.SID))
		}
	}
	return text
}

// replaceWord replaces a word that is not a part of a longer one.
func replaceWord(text, word, by string) string {
	var b strings.Builder
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	before := rune(' ')
	for text != "" {
		if rest, found := strings.CutPrefix(text, word); found && word != "" && !inWord(before) {
			if after, _ := utf8.DecodeRuneInString(rest); rest == "" || !inWord(after) {
				b.WriteString(by)
				text, before = rest, ' '
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(text)
		b.WriteString(text[:size])
		text, before = text[size:], r
	}
	return b.String()
}
