package store_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// sids walks a list from an end to the other and returns the SIDs in the order of the list.
func sids[T any](t *testing.T, size int, backwards bool, from *store.Cursor, sid func(T) string,
	read func(store.Page) (store.List[T], error), between func(),
) []string {
	t.Helper()
	var found []string
	page := store.Page{Size: size, After: from}
	if backwards {
		page = store.Page{Size: size, Before: from}
	}
	for {
		list, err := read(page)
		check(t, err)
		var here []string
		for _, item := range list.Items {
			here = append(here, sid(item))
		}
		if between != nil {
			between()
		}
		if backwards {
			found = append(here, found...)
			page.Before = list.Previous
		} else {
			found = append(found, here...)
			page.After = list.Next
		}
		if page.After == nil && page.Before == nil {
			return found
		}
	}
}

func compositionSID(c roomreel.Composition) string { return string(c.SID) }

func TestList_BothDirectionsAtEverySize(t *testing.T) {
	// A clock that stands still every other time: rows of the same instant are the rule on a busy server.
	now, calls := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0
	clock := func() time.Time {
		calls++
		if calls%4 == 0 {
			now = now.Add(time.Microsecond)
		}
		return now
	}
	storetest.EachAt(t, clock, func(t *testing.T, s *store.Store) {
		f := newFixture(t, s)
		room := f.room(t, "r")
		var made []roomreel.Composition
		for range 11 {
			made = append(made, f.composition(t, room))
		}
		slices.SortFunc(made, func(a, b roomreel.Composition) int {
			if c := b.Created.Compare(a.Created); c != 0 {
				return c
			}
			if a.SID > b.SID {
				return -1
			}
			return 1
		})
		var want []string
		for _, c := range made {
			want = append(want, string(c.SID))
		}
		read := func(page store.Page) (store.List[roomreel.Composition], error) {
			return f.Compositions(t.Context(), f.account, store.CompositionFilter{}, page)
		}
		end := &store.Cursor{SID: ""} // older than every row
		for size := 1; size <= 12; size++ {
			if diff := cmp.Diff(want, sids(t, size, false, nil, compositionSID, read, nil)); diff != "" {
				t.Errorf("forwards by %d: %s", size, diff)
			}
			if diff := cmp.Diff(want, sids(t, size, true, end, compositionSID, read, nil)); diff != "" {
				t.Errorf("backwards by %d: %s", size, diff)
			}
		}
		first, err := read(store.Page{Size: 3})
		check(t, err)
		second, err := read(store.Page{Size: 3, After: first.Next})
		check(t, err)
		if first.Previous != nil || second.Previous == nil {
			t.Fatalf("previous of the first two pages: %v, %v", first.Previous, second.Previous)
		}
		back, err := read(store.Page{Size: 3, Before: second.Previous})
		check(t, err)
		if diff := cmp.Diff(first, back); diff != "" {
			t.Errorf("the first page is another when one comes back to it: %s", diff)
		}
	})
}

func TestList_StableWhileRowsComeAndGo(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "r")
		var stay, leave []roomreel.Composition
		for i := range 30 {
			c := f.composition(t, room)
			if i%3 == 0 {
				leave = append(leave, c)
			} else {
				stay = append(stay, c)
			}
		}
		rand.Shuffle(len(leave), func(i, j int) { leave[i], leave[j] = leave[j], leave[i] })
		found := sids(t, 4, false, nil, compositionSID, func(page store.Page) (store.List[roomreel.Composition], error) {
			return f.Compositions(t.Context(), f.account, store.CompositionFilter{}, page)
		}, func() {
			f.composition(t, room)
			if len(leave) > 0 {
				check(t, f.DeleteComposition(t.Context(), f.account, leave[0].SID, false))
				leave = leave[1:]
			}
		})
		seen := map[string]int{}
		for _, sid := range found {
			seen[sid]++
			if seen[sid] > 1 {
				t.Errorf("%s is listed twice", sid)
			}
		}
		for _, c := range stay {
			if seen[string(c.SID)] != 1 {
				t.Errorf("%s stayed all the time and is listed %d times", c.SID, seen[string(c.SID)])
			}
		}
	})
}

func TestList_FiltersChoose(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	storetest.EachAt(t, func() time.Time { return now }, func(t *testing.T, s *store.Store) {
		now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		f := newFixture(t, s)
		one := f.room(t, "one")
		a := f.recording(t, one, "alice", "camera")
		now = now.Add(time.Hour)
		two := f.room(t, "two")
		u := f.upload(two, "bob", "microphone")
		u.Recording.Kind, u.Recording.Container = roomreel.Audio, "mka"
		b, _, err := f.add(t, u)
		check(t, err)
		c := f.recording(t, two, "bob", "camera")
		check(t, f.DeleteRecording(t.Context(), f.account, c.SID))
		for name, test := range map[string]struct {
			filter store.RecordingFilter
			want   []roomreel.RecordingSID
		}{
			"all":         {store.RecordingFilter{}, []roomreel.RecordingSID{b.SID, a.SID}},
			"status":      {store.RecordingFilter{Status: roomreel.RecordingDeleted}, []roomreel.RecordingSID{c.SID}},
			"kind":        {store.RecordingFilter{Kind: roomreel.Audio}, []roomreel.RecordingSID{b.SID}},
			"room":        {store.RecordingFilter{RoomSIDs: []roomreel.RoomSID{one.SID}}, []roomreel.RecordingSID{a.SID}},
			"rooms":       {store.RecordingFilter{RoomSIDs: []roomreel.RoomSID{one.SID, two.SID}}, []roomreel.RecordingSID{b.SID, a.SID}},
			"participant": {store.RecordingFilter{Participants: []roomreel.ParticipantSID{b.ParticipantSID}}, []roomreel.RecordingSID{b.SID}},
			"both":        {store.RecordingFilter{RoomSIDs: []roomreel.RoomSID{one.SID}, Participants: []roomreel.ParticipantSID{b.ParticipantSID}}, nil},
			"track":       {store.RecordingFilter{TrackSID: a.TrackSID}, []roomreel.RecordingSID{a.SID}},
			"after":       {store.RecordingFilter{Created: store.Created{After: b.Created}}, []roomreel.RecordingSID{b.SID}},
			"just_after":  {store.RecordingFilter{Created: store.Created{After: b.Created.Add(time.Nanosecond)}}, nil},
			"before":      {store.RecordingFilter{Created: store.Created{Before: b.Created}}, []roomreel.RecordingSID{a.SID}},
			"just_before": {store.RecordingFilter{Created: store.Created{Before: a.Created.Add(time.Nanosecond)}}, []roomreel.RecordingSID{a.SID}},
		} {
			list, err := f.Recordings(t.Context(), f.account, test.filter, store.Page{Size: 10})
			check(t, err)
			var got []roomreel.RecordingSID
			for _, r := range list.Items {
				got = append(got, r.SID)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		rooms, err := f.Rooms(t.Context(), f.account, store.RoomFilter{Status: roomreel.RoomInProgress, UniqueName: "two"}, store.Page{Size: 10})
		check(t, err)
		if len(rooms.Items) != 1 || rooms.Items[0].SID != two.SID {
			t.Errorf("rooms: %v", rooms.Items)
		}
	})
}

func TestHooks_ByName(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"Morgen-Ärger", "100%", "a_b", `back\slash`, "axb"} {
			_, err := f.CreateHook(t.Context(), roomreel.Hook{
				SID: roomreel.NewSID[roomreel.HookSID](), AccountSID: f.account,
				FriendlyName: name, Enabled: name != "axb", Spec: roomreel.FilmSpec{Format: roomreel.MP4},
			})
			check(t, err)
		}
		_, err := f.CreateHook(t.Context(), roomreel.Hook{
			SID: roomreel.NewSID[roomreel.HookSID](), AccountSID: f.account,
			FriendlyName: "100%", Spec: roomreel.FilmSpec{Format: roomreel.MP4},
		})
		wantCode(t, err, roomreel.Conflict)
		no := false
		for _, test := range []struct {
			filter store.HookFilter
			want   int
		}{
			{store.HookFilter{FriendlyName: "morgen-ärger"}, 1},
			{store.HookFilter{FriendlyName: "*ÄRGER"}, 1},
			{store.HookFilter{FriendlyName: "%"}, 0},
			{store.HookFilter{FriendlyName: "*%"}, 1},
			{store.HookFilter{FriendlyName: "a_b"}, 1},
			{store.HookFilter{FriendlyName: "a*b"}, 2},
			{store.HookFilter{FriendlyName: `*\*`}, 1},
			{store.HookFilter{FriendlyName: "*"}, 5},
			{store.HookFilter{Enabled: &no}, 1},
		} {
			list, err := f.Hooks(t.Context(), f.account, test.filter, store.Page{Size: 10})
			check(t, err)
			if len(list.Items) != test.want {
				t.Errorf("%q: %d hooks, want %d", test.filter.FriendlyName, len(list.Items), test.want)
			}
		}
	})
}
