package e2e

import (
	"strings"
	"testing"
)

// TestWindow_SaysHowLongSealedRecordingsCanBeComposed takes the windows that an operator may set: none, as at Twilio, and
// one that is over.
func TestWindow_SaysHowLongSealedRecordingsCanBeComposed(t *testing.T) {
	for name, window := range map[string]string{"as_at_twilio": "0s", "over": "2s"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDepot(t, "compose.window="+window)
			_, key := d.keys(t)
			withGo(t, d, "recording", sealing(key))
			room, recordings := d.room(t)
			for _, sid := range recordings {
				d.wait(t, sid, "recording-completed")
			}
			if name == "over" {
				eventually(t, "the window closes", func() bool {
					sid := d.compose(t, room, false)
					var made, failed int
					eventually(t, "the film comes to its end", func() bool {
						made, failed = len(d.told.of(sid, "composition-available")), len(d.told.of(sid, "composition-failed"))
						return made+failed > 0
					})
					return failed > 0
				})
			}
			sid := d.compose(t, room, false)
			failed := d.wait(t, sid, "composition-failed")
			if words := failed.Get("ErrorMessage"); !strings.Contains(words, "sealed or in external storage") || !strings.Contains(words, "RT") {
				t.Errorf("the callback says %q", words)
			}
			if number := d.failure(t, sid); number != 53628 {
				t.Errorf("failed with %d, want 53628", number)
			}
			d.stop(t) // what has had its time is removed at every start, and every minute
			d.start(t)
			eventually(t, "no working copy is left", func() bool { return len(d.stored(t, "work")) == 0 })
		})
	}
}
