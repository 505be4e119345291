package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/layout"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// onSQLite runs test on one database, for rules that never reach one.
func onSQLite(t *testing.T) *fixture {
	t.Helper()
	return newFixture(t, storetest.Open(t, storetest.SQLite(t)), nil)
}

func TestCreateRoom_Rules(t *testing.T) {
	f := onSQLite(t)
	room := f.room(t, app.CreateRoom{})
	if room.UniqueName != string(room.SID) || room.Type != "group" || room.MaxParticipants != 50 ||
		room.EmptyRoomTimeout.Minutes() != 5 || room.MaxParticipantDuration.Seconds() != 14400 || !room.EnableTurn ||
		room.StatusCallback.Method != "POST" || !cmp.Equal(room.VideoCodecs, []string{"VP8", "H264"}) {
		t.Errorf("defaults: %+v", room)
	}
	for name, test := range map[string]struct {
		in    app.CreateRoom
		param string
	}{
		"long_name":     {app.CreateRoom{UniqueName: strings.Repeat("a", 129)}, "UniqueName"},
		"sid_name":      {app.CreateRoom{UniqueName: string(room.SID)}, "UniqueName"},
		"dot":           {app.CreateRoom{UniqueName: "."}, "UniqueName"},
		"slash":         {app.CreateRoom{UniqueName: "/"}, "UniqueName"},
		"two_dots":      {app.CreateRoom{UniqueName: ".."}, "UniqueName"},
		"type":          {app.CreateRoom{Type: "huge"}, "Type"},
		"codec":         {app.CreateRoom{VideoCodecs: []string{"AV1"}}, "VideoCodecs"},
		"timeout":       {app.CreateRoom{EmptyRoomTimeout: ptr(0)}, "EmptyRoomTimeout"},
		"timeout_high":  {app.CreateRoom{UnusedRoomTimeout: ptr(61)}, "UnusedRoomTimeout"},
		"participants":  {app.CreateRoom{MaxParticipants: ptr(51)}, "MaxParticipants"},
		"duration":      {app.CreateRoom{MaxParticipantDuration: ptr(86401)}, "MaxParticipantDuration"},
		"tracks":        {app.CreateRoom{MaxConcurrentPublishedTracks: ptr(-1)}, "MaxConcurrentPublishedTracks"},
		"callback":      {app.CreateRoom{StatusCallback: "ftp://x"}, "StatusCallback"},
		"callback_path": {app.CreateRoom{StatusCallback: "/told"}, "StatusCallback"},
		"method":        {app.CreateRoom{StatusCallbackMethod: "PUT"}, "StatusCallbackMethod"},
		"rules":         {app.CreateRoom{RecordingRules: "[]"}, "RecordingRules"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.CreateRoom(t.Context(), f.account, test.in)
			wantError(t, err, roomreel.Invalid, test.param)
		})
	}
}

func TestRecordingRules_Rules(t *testing.T) {
	f := onSQLite(t)
	room := string(f.room(t, app.CreateRoom{}).SID)
	for _, bad := range []string{
		``, `{}`, `null`, `[`, `[]`, `[1]`, `[{}]`, `[{"type":"include"}]`, `[{"all":true}]`, `[{"type":"keep","all":true}]`,
		`[{"type":"include","all":false}]`, `[{"type":"include","all":true,"kind":"audio"}]`, `[{"type":"include","kind":"data"}]`,
		`[{"type":"include","kind":"audio","kind":"video"}]`, `[{"type":"include","publisher":""}]`, `[{"type":"include","track":1}]`,
		`[{"type":"include","colour":"red"}]`, `[{"type":"include","all":true}] x`, `[{"type":"include","track":["a"]}]`,
		`[` + strings.Repeat(`{"type":"include","all":true},`, 20) + `{"type":"include","all":true}]`,
	} {
		_, err := f.UpdateRecordingRules(t.Context(), f.account, room, bad)
		wantError(t, err, roomreel.Invalid, "Rules")
		var e *roomreel.Error
		if errors.As(err, &e) && e.Twilio != 53120 {
			t.Errorf("%s: number %d", bad, e.Twilio)
		}
	}
	_, err := f.UpdateRecordingRules(t.Context(), f.account, room, `[{"type":"include","kind":"audio","publisher":"alice"},{"type":"exclude","track":"screen"}]`)
	check(t, err)
	rules, err := f.RecordingRules(t.Context(), f.account, room)
	check(t, err)
	want := []roomreel.RecordingRule{{Type: "include", Kind: roomreel.Audio, Publisher: "alice"}, {Type: "exclude", Track: "screen"}}
	if diff := cmp.Diff(want, rules.Rules); diff != "" {
		t.Error(diff)
	}
	// C#'s own type of a rule sends every filter.
	rules, err = f.UpdateRecordingRules(t.Context(), f.account, room, `[{"type":"include","all":true,"publisher":null,"track":null,"kind":null},{"type":"exclude","all":null,"kind":"video"}]`)
	check(t, err)
	want = []roomreel.RecordingRule{{Type: "include", All: true}, {Type: "exclude", Kind: roomreel.Video}}
	if diff := cmp.Diff(want, rules.Rules); diff != "" {
		t.Error(diff)
	}
	_, err = f.CompleteRoom(t.Context(), f.account, room)
	check(t, err)
	_, err = f.UpdateRecordingRules(t.Context(), f.account, room, `[{"type":"include","all":true}]`)
	wantError(t, err, roomreel.Conflict, "")
}

const grid = `{"grid":{"video_sources":["*"]}}`

func TestCreateComposition_Rules(t *testing.T) {
	f := onSQLite(t)
	room := string(f.room(t, app.CreateRoom{}).SID)
	c, err := f.CreateComposition(t.Context(), f.account, app.CreateComposition{RoomSID: room, FilmParams: app.FilmParams{VideoLayout: grid}})
	check(t, err)
	if c.Status != roomreel.CompositionEnqueued || c.Spec.Resolution != "640x480" || c.Spec.Format != roomreel.WebM || !c.Spec.Trim ||
		c.Spec.StatusCallback.Method != "POST" || !strings.Contains(c.Spec.VideoLayout, `"show_oldest"`) {
		t.Errorf("defaults: %+v", c)
	}
	elsewhere := string(roomreel.NewSID[roomreel.RoomSID]())
	for name, test := range map[string]struct {
		room  string
		in    app.FilmParams
		param string
	}{
		"no_room":      {"", app.FilmParams{VideoLayout: grid}, "RoomSid"},
		"room_name":    {"standup", app.FilmParams{VideoLayout: grid}, "RoomSid"},
		"other_room":   {elsewhere, app.FilmParams{VideoLayout: grid}, "RoomSid"},
		"nothing":      {room, app.FilmParams{}, "VideoLayout"},
		"empty_layout": {room, app.FilmParams{VideoLayout: "{}"}, "VideoLayout"},
		"bad_layout":   {room, app.FilmParams{VideoLayout: "grid"}, "VideoLayout"},
		"region":       {room, app.FilmParams{VideoLayout: `{"a":{"video_sources":["*"],"x_pos":641}}`}, "VideoLayout"},
		"resolution":   {room, app.FilmParams{VideoLayout: grid, Resolution: "1921x1080"}, "Resolution"},
		"format":       {room, app.FilmParams{VideoLayout: grid, Format: "avi"}, "Format"},
		"audio":        {room, app.FilmParams{AudioSources: []string{"a*b"}}, "AudioSources"},
		"excluded":     {room, app.FilmParams{VideoLayout: grid, AudioSourcesExcluded: []string{""}}, "AudioSourcesExcluded"},
		"callback":     {room, app.FilmParams{VideoLayout: grid, StatusCallback: "example.com"}, "StatusCallback"},
		"method":       {room, app.FilmParams{VideoLayout: grid, StatusCallbackMethod: "post"}, "StatusCallbackMethod"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.CreateComposition(t.Context(), f.account, app.CreateComposition{RoomSID: test.room, FilmParams: test.in})
			wantError(t, err, roomreel.Invalid, test.param)
		})
	}
	audio, err := f.CreateComposition(t.Context(), f.account, app.CreateComposition{RoomSID: room, FilmParams: app.FilmParams{VideoLayout: "{}", AudioSources: []string{"*"}}})
	check(t, err)
	if audio.Spec.VideoLayout != "{}" {
		t.Errorf("layout of a film of audio alone: %s", audio.Spec.VideoLayout)
	}
	_, err = f.Compositions(t.Context(), f.account, app.CompositionFilter{Status: "done"}, app.Page{Size: 1})
	wantError(t, err, roomreel.Invalid, "Status")
}

func TestHooks_ReplacedInFull(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		h, err := f.CreateHook(ctx, f.account, app.CreateHook{FriendlyName: "all", Enabled: ptr(false), FilmParams: app.FilmParams{
			VideoLayout: grid, AudioSources: []string{"*"}, Format: "mp4", Trim: ptr(false), StatusCallback: "https://example.com/told",
		}})
		check(t, err)
		h, err = f.UpdateHook(ctx, f.account, h.SID, app.CreateHook{FriendlyName: "all", FilmParams: app.FilmParams{AudioSources: []string{"*"}}})
		check(t, err)
		read, err := f.Hook(ctx, f.account, h.SID)
		check(t, err)
		if !read.Enabled || read.Spec.VideoLayout != "{}" || read.Spec.Format != roomreel.WebM || !read.Spec.Trim ||
			read.Spec.StatusCallback.URL != "" || read.Updated.IsZero() {
			t.Errorf("hook is %+v", read)
		}
		if diff := cmp.Diff(h, read); diff != "" {
			t.Error(diff)
		}
		_, err = f.CreateHook(ctx, f.account, app.CreateHook{FriendlyName: "all", FilmParams: app.FilmParams{VideoLayout: grid}})
		wantError(t, err, roomreel.Conflict, "FriendlyName")
		_, err = f.CreateHook(ctx, f.account, app.CreateHook{FilmParams: app.FilmParams{VideoLayout: grid}})
		wantError(t, err, roomreel.Invalid, "FriendlyName")
		_, err = f.CreateHook(ctx, f.account, app.CreateHook{FriendlyName: strings.Repeat("a", 101), FilmParams: app.FilmParams{VideoLayout: grid}})
		wantError(t, err, roomreel.Invalid, "FriendlyName")
		check(t, f.DeleteHook(ctx, f.account, h.SID))
		_, err = f.Hook(ctx, f.account, h.SID)
		wantError(t, err, roomreel.NotFound, "")
	})
}

func TestRunHooks_EachMakesOneFilm(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for _, name := range []string{"one", "two", "off"} {
			_, err := f.CreateHook(ctx, f.account, app.CreateHook{FriendlyName: name, Enabled: ptr(name != "off"), FilmParams: app.FilmParams{VideoLayout: grid}})
			check(t, err)
		}
		room := f.room(t, app.CreateRoom{})
		f.upload(t, room, app.UploadRecording{Identity: "alice"})
		_, err := f.CompleteRoom(ctx, f.account, string(room.SID))
		check(t, err)
		for range 3 {
			check(t, f.RunHooks(ctx, room.SID))
		}
		made, err := f.Compositions(ctx, f.account, app.CompositionFilter{}, app.Page{Size: 10})
		check(t, err)
		if len(made.Items) != 2 || made.Items[0].HookSID == made.Items[1].HookSID || f.queue.count(store.JobCompose) != 2 {
			t.Errorf("films: %v", made.Items)
		}
	})
}

// A hook that was made while larger films were allowed makes none, and its callback hears why.
func TestRunHooks_ObeysALimitThatWasLowered(t *testing.T) {
	f := onSQLite(t)
	_, err := f.CreateHook(t.Context(), f.account, app.CreateHook{FriendlyName: "large", FilmParams: app.FilmParams{
		VideoLayout: grid, Resolution: "1920x1080", StatusCallback: "https://app.example.com/",
	}})
	check(t, err)
	room := f.room(t, app.CreateRoom{})
	lowered := app.New(app.Config{Store: f.store, MaxResolution: layout.Twilio})
	check(t, lowered.RunHooks(t.Context(), room.SID))
	list, err := f.Compositions(t.Context(), f.account, app.CompositionFilter{}, app.Page{Size: 10})
	check(t, err)
	if len(list.Items) > 0 || f.queue.count(store.JobCallback) != 1 {
		t.Errorf("it made %+v, and %d callbacks", list.Items, f.queue.count(store.JobCallback))
	}
	if _, err := f.CreateComposition(t.Context(), f.account, app.CreateComposition{RoomSID: string(room.SID), FilmParams: app.FilmParams{VideoLayout: grid, Resolution: "1920x1080"}}); err != nil {
		t.Errorf("the limit of the other server: %v", err)
	}
}

func TestCreateComposition_Quality(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx, room := t.Context(), string(f.room(t, app.CreateRoom{}).SID)
		create := func(quality *roomreel.Quality) (roomreel.Composition, error) {
			return f.CreateComposition(ctx, f.account, app.CreateComposition{RoomSID: room, FilmParams: app.FilmParams{VideoLayout: grid, Quality: quality}})
		}
		for _, test := range []struct {
			given *roomreel.Quality
			want  roomreel.Quality
		}{
			{nil, roomreel.QualityStandard},
			{ptr(roomreel.Quality("")), roomreel.QualityStandard},
			{ptr(roomreel.QualityArchive), roomreel.QualityArchive},
			{ptr(roomreel.QualitySmall), roomreel.QualitySmall}, // no worker is running, and one that comes may have the encoder
		} {
			made, err := create(test.given)
			check(t, err)
			read, err := f.Composition(ctx, f.account, made.SID)
			check(t, err)
			if read.Spec.Quality != test.want {
				t.Errorf("%v is stored as %q, want %q", test.given, read.Spec.Quality, test.want)
			}
		}
		_, err := create(ptr(roomreel.Quality("best")))
		wantError(t, err, roomreel.Invalid, "Quality")

		check(t, f.store.Heartbeat(ctx, store.Node{ID: "api", Role: "api"}))
		check(t, f.store.Heartbeat(ctx, store.Node{ID: "old", Role: "worker", Encoders: []string{"h264", "vp8"}}))
		_, err = create(ptr(roomreel.QualitySmall))
		wantError(t, err, roomreel.Invalid, "Quality")
		_, err = create(ptr(roomreel.QualityDraft))
		check(t, err)
		check(t, f.store.Heartbeat(ctx, store.Node{ID: "new", Role: "worker", Encoders: []string{"av1", "h264", "vp8"}}))
		_, err = create(ptr(roomreel.QualitySmall))
		check(t, err)
	})
}

// A hook keeps its quality when a client of Twilio's API replaces it, which knows no quality.
func TestUpdateHook_KeepsTheQualityThatTheRequestCannotName(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		film := app.FilmParams{VideoLayout: grid, Quality: ptr(roomreel.QualityArchive)}
		hook, err := f.CreateHook(t.Context(), f.account, app.CreateHook{FriendlyName: "a", FilmParams: film})
		check(t, err)
		for _, test := range []struct{ given, want *roomreel.Quality }{
			{nil, ptr(roomreel.QualityArchive)},
			{ptr(roomreel.QualityDraft), ptr(roomreel.QualityDraft)},
			{ptr(roomreel.Quality("")), ptr(roomreel.Quality(""))},
		} {
			film.Quality = test.given
			_, err := f.UpdateHook(t.Context(), f.account, hook.SID, app.CreateHook{FriendlyName: "b", FilmParams: film})
			check(t, err)
			read, err := f.Hook(t.Context(), f.account, hook.SID)
			check(t, err)
			if read.Spec.Quality != *test.want || read.FriendlyName != "b" {
				t.Errorf("%v: %+v", test.given, read)
			}
		}
	})
}
