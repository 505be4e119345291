package jobs

import (
	"context"
	"errors"
	"image"
	"math"
	"os"
	"testing"
	"time"

	"roomreel"
	"roomreel/e2e/fixture"
	"roomreel/internal/app"
	"roomreel/internal/store"
)

// asked returns the everyone film of a room as a question.
func asked(room roomreel.Room) app.CreateComposition {
	return app.CreateComposition{RoomSID: string(room.SID), FilmParams: everyone}
}

// An estimate stores nothing, counts what is in progress, and is right about a film that was made before.
func TestEstimate_LearnsFromFinishedCompositions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := start(t, w.worker(t, nil))
		w.app.SetFilms(r)
		room := w.room(t, "")
		estimate := func() app.FilmEstimate {
			t.Helper()
			e, err := w.app.EstimateComposition(t.Context(), w.account, asked(room))
			check(t, err)
			return e
		}
		before := estimate()
		if before.Length.Round(time.Second) != 4*time.Second || before.Core <= 0 || before.Wall < fixedTime || before.Size <= 0 ||
			before.Finished != 0 || before.CoreRatio != 1 || before.Workers != 2 || before.InProgress != 0 || before.Ahead != 0 {
			t.Errorf("before: %+v", before)
		}
		if left := files(t, w.beside("working")); len(left) > 0 {
			t.Errorf("the estimate stored %v", left)
		}
		w.gate(t)
		sid := w.compose(t, room, everyone)
		w.complete(t, room)
		held := w.atGate(t)
		if during := estimate(); during.InProgress != 1 || during.Ahead <= 0 || during.Wall <= before.Wall {
			t.Errorf("during: %+v", during)
		}
		w.openGate(t, held)
		c := w.completed(t, sid)
		after := estimate()
		took := reported(t, c).CPUSeconds
		if after.Finished != 1 || after.InProgress != 0 || math.Abs(after.Core.Seconds()/took-1) > 0.01 || math.Abs(float64(after.Size)/float64(c.Size)-1) > 0.01 {
			t.Errorf("after: %+v; it took %.3f s and has %d bytes", after, took, c.Size)
		}
		w.nothingLeft(t)
	})
}

// A preview shows who the film shows at that second, before the room is completed too.
func TestStill_ShowsWhoIsThere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil) // no job is run for it
		w.app.SetFilms(r)
		room := w.room(t, "")
		layout, err := w.app.PreviewLayout(t.Context(), w.account, app.PreviewLayout{RoomSID: string(room.SID), FilmParams: everyone})
		check(t, err)
		for at, people := range map[time.Duration]int{500 * time.Millisecond: 1, 1500 * time.Millisecond: 2, 3500 * time.Millisecond: 2} {
			frame, err := w.app.PreviewComposition(t.Context(), w.account, asked(room), at)
			check(t, err)
			seen := 0
			for _, p := range layout.Placements {
				if at < p.From || at >= p.To {
					continue
				}
				seen++
				cell := image.Rect(p.Rect.X, p.Rect.Y, p.Rect.X+p.Rect.W, p.Rect.Y+p.Rect.H)
				cell = cell.Intersect(image.Rect(0, 30, 160, 90)) // the rest of it is black
				want := map[string]int{"alice-camera": 0, "carol-camera": 2}[p.Track.Name]
				if who := fixture.Who(frame.RGBA(), cell, fixture.People); who != want {
					t.Errorf("at %v: %s shows person %d, want %d", at, p.Track.Name, who, want)
				}
			}
			if seen != people {
				t.Errorf("at %v: %d people, want %d", at, seen, people)
			}
		}
		_, err = w.app.PreviewComposition(t.Context(), w.account, asked(room), 5*time.Second)
		if e, ok := errors.AsType[*roomreel.Error](err); !ok || e.Code != roomreel.Invalid || e.Param != "Second" {
			t.Errorf("after the end: %v", err)
		}
		other, _, err := w.app.CreateAccount(t.Context(), "other")
		check(t, err)
		if _, err := w.app.PreviewComposition(t.Context(), other.SID, asked(room), 0); roomreel.CodeOf(err) != roomreel.Invalid {
			t.Errorf("another account: %v", err)
		}
		if _, err := w.app.EstimateComposition(t.Context(), other.SID, asked(room)); roomreel.CodeOf(err) != roomreel.Invalid {
			t.Errorf("another account: %v", err)
		}
	})
}

// A caller that is gone ends the child, and lets others have their turn. Those who wait too long are told so.
func TestStill_EndsWithItsCaller(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		// A child that stands still.
		check(t, os.WriteFile(w.beside("child"), []byte("#!/bin/sh\nexec sleep 600\n"), 0o755))
		w.app.SetFilms(w.worker(t, nil))
		room := w.room(t, "")
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 16)
		ask := func(ctx context.Context) {
			_, err := w.app.PreviewComposition(ctx, w.account, asked(room), 0)
			ended <- err
		}
		for range cap(ended) {
			go ask(ctx)
		}
		// All turns are taken. The others get Unavailable.
		if err := <-ended; roomreel.CodeOf(err) != roomreel.Unavailable {
			t.Errorf("in a row of %d: %v", cap(ended), err)
		}
		leave()
		for range cap(ended) - 1 {
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) && roomreel.CodeOf(err) != roomreel.Unavailable {
					t.Errorf("after its caller had gone: %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("a preview goes on without its caller")
			}
		}
	})
}

func TestStore_NoteCostBoundsWhatOneCompositionSays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		expected := store.Cost{Core: time.Second, Wall: time.Second, Size: 1000}
		note := func(took store.Cost) store.CostRatio {
			t.Helper()
			check(t, w.store.NoteCost(t.Context(), "mp4 standard", expected, took))
			ratios, err := w.store.CostRatios(t.Context())
			check(t, err)
			return ratios["mp4 standard"]
		}
		near := func(got, want float64) bool { return math.Abs(got/want-1) < 1e-9 }
		if r := note(store.Cost{Core: 2 * time.Second, Size: 500}); r.Finished != 1 || !near(r.Core, 2) || !near(r.Wall, 1) || !near(r.Size, 0.5) {
			t.Errorf("one: %+v", r)
		}
		if r := note(store.Cost{Core: time.Hour, Wall: time.Second, Size: 500}); r.Finished != 2 || !near(r.Core, 4) || !near(r.Size, 0.5) {
			t.Errorf("two: %+v", r)
		}
		for range 200 {
			note(store.Cost{Core: time.Second / 2, Wall: 2 * time.Second, Size: 1000})
		}
		if r := note(store.Cost{Core: time.Second / 2, Wall: 2 * time.Second, Size: 1000}); r.Finished != 203 || r.Core > 0.51 || r.Wall < 1.99 {
			t.Errorf("many: %+v", r)
		}
		if r := note(store.Cost{}); r.Finished != 203 {
			t.Errorf("nothing is known: %+v", r)
		}
	})
}
