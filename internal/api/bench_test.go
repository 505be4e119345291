package api

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roomreel/internal/app"
	"roomreel/internal/blob/dir"
	"roomreel/internal/jobs"
	"roomreel/internal/keyring"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

const (
	benchRooms   = 50
	benchClients = 8 // for each core, beside the server on the same cores
)

// compositionsInBench is how many compositions the database holds.
func compositionsInBench(b *testing.B) int {
	n := 100_000
	if text := os.Getenv("ROOMREEL_BENCH_COMPOSITIONS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// BenchmarkAPI sends requests to the whole API over TCP, signed in, from several clients at once, on each database. Half of the
// compositions that are created are of rooms that are completed: their jobs are inserted with them, and no worker runs.
//
// It reports the median and the 99th percentile of what a client waits, and how many requests a second were answered in all.
func BenchmarkAPI(b *testing.B) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		b.Run(name, func(b *testing.B) {
			s := openBench(b, config(b))
			s.fill(b, compositionsInBench(b))
			now := time.Now().UTC()
			lists := map[string]url.Values{
				"all":      {},
				"room":     {"RoomSid": {s.rooms[1]}},
				"status":   {"Status": {"failed"}},
				"between":  {"DateCreatedAfter": {now.Add(-48 * time.Hour).Format(time.RFC3339)}, "DateCreatedBefore": {now.Add(-24 * time.Hour).Format(time.RFC3339)}},
				"page=100": {"PageSize": {"100"}},
			}
			b.Run("create", func(b *testing.B) {
				s.measure(b, func() *http.Request {
					form := url.Values{"RoomSid": {s.rooms[rand.IntN(len(s.rooms))]}, "VideoLayout": {`{"grid":{"video_sources":["*"]}}`}, "AudioSources": {"*"}, "Format": {"mp4"}}
					return s.request(b, http.MethodPost, "/v1/Compositions", form)
				}, http.StatusCreated)
			})
			b.Run("fetch", func(b *testing.B) {
				s.measure(b, func() *http.Request {
					return s.request(b, http.MethodGet, "/v1/Compositions/"+benchSID(1+rand.IntN(s.filled)), nil)
				}, http.StatusOK)
			})
			for _, list := range []string{"all", "status", "room", "between", "page=100"} {
				b.Run("list/"+list, func(b *testing.B) {
					s.measure(b, func() *http.Request {
						return s.request(b, http.MethodGet, "/v1/Compositions?"+lists[list].Encode(), nil)
					}, http.StatusOK)
				})
			}
		})
	}
}

// benchService is an API on a database with many compositions.
type benchService struct {
	*httptest.Server
	store       *store.Store
	user, token string
	rooms       []string
	filled      int
	client      *http.Client
}

func openBench(b *testing.B, config store.Config) *benchService {
	b.Helper()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	log, folder := slog.New(slog.DiscardHandler), b.TempDir()
	s := &benchService{store: storetest.Open(b, config)}
	media, err := dir.Open(filepath.Join(folder, "media"))
	check(err)
	b.Cleanup(func() { media.Close() })
	keys, err := keyring.Open(filepath.Join(folder, "keys"))
	check(err)
	a := app.New(app.Config{Store: s.store, Keys: keys, Media: media, Working: media, Scratch: folder, Log: log})
	check(queue.Migrate(b.Context(), s.store, log))
	inserts, err := queue.New(queue.Config{Store: s.store, Log: log, Role: "api"})
	check(err)
	s.store.SetQueue(inserts)
	jobs.New(jobs.Config{Store: s.store, Queue: inserts, App: a, Media: media, Working: media, Log: log}) // registers the kinds of jobs
	account, token, err := a.CreateAccount(b.Context(), "bench")
	check(err)
	s.user, s.token = string(account.SID), token
	s.Server = httptest.NewServer(New(Config{App: a, Log: log, Limits: Limits{Reads: -1, Writes: -1}}))
	b.Cleanup(s.Close)
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	for n := range benchRooms {
		room, err := a.CreateRoom(b.Context(), account.SID, app.CreateRoom{})
		check(err)
		if n%2 == 0 {
			_, err = s.store.CompleteRoom(b.Context(), account.SID, room.SID)
			check(err)
		}
		s.rooms = append(s.rooms, string(room.SID))
	}
	return s
}

func benchSID(n int) string { return fmt.Sprintf("CJ%032d", 100_000_000+n) }

// fill adds compositions a minute apart, in one statement: 70 % are completed, 20 % failed, 10 % processing.
func (s *benchService) fill(b *testing.B, n int) {
	b.Helper()
	s.filled = n
	rooms := make([]string, len(s.rooms))
	for i, room := range s.rooms {
		rooms[i] = fmt.Sprintf("WHEN %d THEN '%s'", i, room)
	}
	err := s.store.InTx(b.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(b.Context(), `WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < `+strconv.Itoa(n)+`)
			INSERT INTO composition (sid, account_sid, room_sid, hook_sid, status, video_layout, audio_sources, audio_sources_excluded, resolution,
			format, trim, callback_url, callback_method, created, started, completed, deleted, progress, bitrate, size, duration, media, destination,
			failure, report, attempt)
			SELECT 'CJ00000000000000000000000' || CAST(100000000 + i AS TEXT), '`+s.user+`', CASE i % `+strconv.Itoa(len(rooms))+` `+strings.Join(rooms, " ")+` END, '',
			CASE WHEN i % 10 < 7 THEN 'completed' WHEN i % 10 < 9 THEN 'failed' ELSE 'processing' END,
			'{"grid":{"video_sources":["*"]}}', '["*"]', '[]', '1280x720', 'mp4', TRUE, '', 'POST',
			created, created, created, 0, 100, 841, 3964300, 38000000000, '{}', '{}', '{}', '', 1
			FROM (SELECT i, `+strconv.FormatInt(time.Now().UnixMicro(), 10)+` - i * 60000000 AS created FROM n) AS c`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	storetest.Settle(b, s.store)
}

func (s *benchService) request(b *testing.B, method, path string, form url.Values) *http.Request {
	r, err := http.NewRequestWithContext(b.Context(), method, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Error(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(s.user, s.token)
	return r
}

// measure sends b.N requests from several clients at once.
func (s *benchService) measure(b *testing.B, next func() *http.Request, want int) {
	var mu sync.Mutex
	var all []time.Duration
	b.SetParallelism(benchClients)
	b.RunParallel(func(pb *testing.PB) {
		var took []time.Duration
		for pb.Next() {
			r := next()
			began := time.Now()
			response, err := s.client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			took = append(took, time.Since(began))
			if err != nil || response.StatusCode != want {
				b.Errorf("%s %s: %d %v %.200s", r.Method, r.URL, response.StatusCode, err, body)
				return
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
	})
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(millis(all[len(all)/2]), "p50-ms")
	b.ReportMetric(millis(all[len(all)*99/100]), "p99-ms")
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "requests/s")
}
