package e2e

import (
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"roomreel/e2e/fixture"
	"roomreel/internal/client"
	"roomreel/internal/store/storetest"
)

// BenchmarkService_FromRequestToFilm measures how long a film of 5 s takes from its request until it is completed, on a service that does
// nothing else. s/film is the median.
func BenchmarkService_FromRequestToFilm(b *testing.B) {
	dir := b.TempDir()
	var room fixture.Room
	for i, name := range []string{"alice", "bob"} {
		room.Recordings = append(room.Recordings, fixture.Pair(name, fixture.People[i], 0, 5*time.Second)...)
	}
	manifest := room.Make(b, dir)
	for name, database := range map[string]func() string{
		"sqlite": func() string { return "" }, "postgres": func() string { return storetest.PostgreSQL(b).URL },
	} {
		b.Run(name, func(b *testing.B) {
			b.Setenv("ROOMREEL_DATABASE_URL", database())
			s := serve(b, filepath.Join(b.TempDir(), "data"))
			api, err := client.New(s.url, s.account, s.token)
			if err != nil {
				b.Fatal(err)
			}
			defer api.Close()
			sid, _, _ := s.importRoom(b, manifest, "--complete")
			var took []float64
			for b.Loop() {
				began := time.Now()
				c, err := api.CreateComposition(b.Context(), url.Values{
					"RoomSid": {sid}, "AudioSources": {"*"}, "VideoLayout": {`{"grid": {"video_sources": ["*"]}}`}, "Resolution": {"1280x720"}, "Format": {"mp4"},
				})
				for err == nil && c.Status != "completed" {
					if c.Status == "failed" {
						b.Fatal("the composition failed")
					}
					time.Sleep(5 * time.Millisecond)
					c, err = api.Composition(b.Context(), c.SID)
				}
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began).Seconds())
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "s/film")
		})
	}
}
