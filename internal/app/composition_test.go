package app_test

import (
	"testing"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/store"
)

// complete completes a composition with a film whose key is in the media store.
func (f *fixture) complete(t *testing.T, c roomreel.Composition) {
	t.Helper()
	_, _, err := f.store.StartComposition(t.Context(), c.SID)
	check(t, err)
	check(t, f.store.Reserve(t.Context(), string(c.SID), store.PendingDeletion{Store: store.MediaStore, Key: string(f.account) + "/film"}))
	_, err = f.store.CompleteComposition(t.Context(), c.SID, store.FilmResult{Size: 6, Media: roomreel.Media{Key: string(f.account) + "/film", Size: 6}})
	check(t, err)
}

func TestCompositionMedia_IsVideoOfItsFormatAlsoForAudioAlone(t *testing.T) {
	f := onSQLite(t)
	room := string(f.room(t, app.CreateRoom{}).SID)
	for format, want := range map[string]string{"mp4": "video/mp4", "webm": "video/webm", "": "video/webm"} {
		c, err := f.CreateComposition(t.Context(), f.account, app.CreateComposition{
			RoomSID:    room,
			FilmParams: app.FilmParams{AudioSources: []string{"*"}, Format: format},
		})
		check(t, err)
		f.complete(t, c)
		media, err := f.MediaObject(t.Context(), f.account, string(c.SID))
		check(t, err)
		if media.ContentType != want {
			t.Errorf("%s is served as %s, want %s", format, media.ContentType, want)
		}
	}
}

func TestCompositions_HideDeletedOnesAndBeginWithTheNewest(t *testing.T) {
	f := onSQLite(t)
	room := string(f.room(t, app.CreateRoom{}).SID)
	var made []roomreel.CompositionSID
	for range 3 {
		c, err := f.CreateComposition(t.Context(), f.account, app.CreateComposition{RoomSID: room, FilmParams: app.FilmParams{VideoLayout: grid}})
		check(t, err)
		made = append(made, c.SID)
	}
	check(t, f.DeleteComposition(t.Context(), f.account, made[1], false))
	for _, test := range []struct {
		filter app.CompositionFilter
		want   []roomreel.CompositionSID
	}{
		{app.CompositionFilter{}, []roomreel.CompositionSID{made[2], made[0]}},
		{app.CompositionFilter{Status: roomreel.CompositionDeleted}, []roomreel.CompositionSID{made[1]}},
	} {
		list, err := f.Compositions(t.Context(), f.account, test.filter, app.Page{Size: 10})
		check(t, err)
		if len(list.Items) != len(test.want) {
			t.Fatalf("%q: %d compositions, want %d", test.filter.Status, len(list.Items), len(test.want))
		}
		for i, c := range list.Items {
			if c.SID != test.want[i] {
				t.Errorf("%q: number %d is %s, want %s", test.filter.Status, i, c.SID, test.want[i])
			}
		}
	}
}
