package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"roomreel"
	"roomreel/e2e/server"
	"roomreel/internal/client"
	"roomreel/internal/store/storetest"
)

// serve starts a service of its own on an empty data folder. The caller calls stop.
func (b *bench) serve(ctx context.Context, flags ...string) (s *server.Server, data string, stop func(), err error) {
	if data, err = os.MkdirTemp(b.work, "data-"); err != nil {
		return nil, "", nil, err
	}
	if s, err = b.node(ctx, data, nil, nil, flags...); err != nil {
		os.RemoveAll(data)
		return nil, "", nil, err
	}
	return s, data, func() { s.Stop(); os.RemoveAll(data) }, nil
}

// node starts one more node of a service.
func (b *bench) node(ctx context.Context, data string, before []string, as *server.Server, flags ...string) (*server.Server, error) {
	line := b.command()
	b.nodes++
	log := filepath.Join(b.work, fmt.Sprintf("node-%d.log", b.nodes))
	flags = append([]string{"--set", "webhook.allow=127.0.0.0/8", "--set", "limits.reads_per_second=0", "--set", "limits.writes_per_second=0"}, flags...)
	return server.Start(ctx, server.Options{
		Program: line[len(line)-1], Before: append(before, line[:len(line)-1]...), Data: data, Log: log, Flags: flags, As: as,
	})
}

// parameters asks for a film of a room.
func parameters(sid roomreel.RoomSID, f film, r *room) url.Values {
	return url.Values{
		"RoomSid": {string(sid)}, "AudioSources": {"*"}, "Format": {f.format},
		"Resolution": {fmt.Sprintf("%dx%d", f.w, f.h)}, "VideoLayout": {f.layout(r)},
	}
}

// compose asks for a film and waits until it is completed. It asks how far it is at an interval, and returns how long that took.
func compose(ctx context.Context, api *client.Client, parameters url.Values, interval time.Duration) (time.Duration, error) {
	began := time.Now()
	composition, err := api.CreateComposition(ctx, parameters)
	for err == nil && composition.Status.InProgress() {
		time.Sleep(interval)
		composition, err = api.Composition(ctx, composition.SID)
	}
	if err == nil && composition.Status != roomreel.CompositionCompleted {
		err = fmt.Errorf("the composition is %s", composition.Status)
	}
	return time.Since(began), err
}

// latency is the time from the request of a short film to its end, on an idle service.
func latency(ctx context.Context, b *bench) (figure, error) {
	const times = 9
	room, err := b.room(ctx, spec{name: "short", seconds: 5, cameras: people(4, webcam), microphones: 4})
	if err != nil {
		return figure{}, err
	}
	s, _, stop, err := b.serve(ctx)
	if err != nil {
		return figure{}, err
	}
	defer stop()
	sid, err := s.ImportRoom(ctx, room.manifest)
	if err != nil {
		return figure{}, err
	}
	var took []time.Duration
	for range times {
		time.Sleep(time.Second) // it is idle again
		t, err := compose(ctx, s.API, parameters(sid, standardFilm, room), 10*time.Millisecond)
		if err != nil {
			return figure{}, err
		}
		took = append(took, t)
	}
	slices.Sort(took)
	return figure{
		value:  took[times/2].Seconds(),
		detail: fmt.Sprintf("median of %d films, %.2f to %.2f s", times, took[0].Seconds(), took[times-1].Seconds()),
	}, nil
}

// report is what a callback says of progress.
type report struct {
	at        time.Duration // since the request
	percent   float64
	remaining float64 // seconds; negative when it is not said
}

// progress is the largest error of what callbacks say of how far a film is, after its first tenth.
func progress(ctx context.Context, b *bench) (figure, error) {
	room, err := b.room(ctx, b.reference())
	if err != nil {
		return figure{}, err
	}
	s, _, stop, err := b.serve(ctx)
	if err != nil {
		return figure{}, err
	}
	defer stop()
	sid, err := s.ImportRoom(ctx, room.manifest)
	if err != nil {
		return figure{}, err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return figure{}, err
	}
	var mu sync.Mutex
	var reports []report
	began := time.Now()
	listener := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Since(began)
		percent, err := strconv.ParseFloat(r.FormValue("PercentageDone"), 64)
		if err != nil {
			return
		}
		remaining, err := strconv.ParseFloat(r.FormValue("SecondsRemaining"), 64)
		if err != nil {
			remaining = -1
		}
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, report{at, percent, remaining})
	})}
	go listener.Serve(socket)
	defer listener.Close()
	asked := parameters(sid, standardFilm, room)
	asked.Set("StatusCallback", "http://"+socket.Addr().String()+"/")
	took, err := compose(ctx, s.API, asked, 50*time.Millisecond)
	if err != nil {
		return figure{}, err
	}
	mu.Lock()
	defer mu.Unlock()
	return inaccuracy(reports, took)
}

// mostWrong is how far reports of progress may be from what is true, in percent of the whole.
const mostWrong = 15

// inaccuracy compares reports with the time that a film took.
func inaccuracy(reports []report, took time.Duration) (figure, error) {
	var f figure
	count, left, backwards, before := 0, 0.0, 0, 0.0
	for _, r := range reports {
		if r.percent < before {
			backwards++
		}
		before = r.percent
		if r.at < took/10 || r.at > took {
			continue
		}
		count++
		f.value = max(f.value, math.Abs(r.percent-100*r.at.Seconds()/took.Seconds()))
		if r.remaining >= 0 {
			left = max(left, math.Abs(r.remaining-(took-r.at).Seconds())/took.Seconds())
		}
	}
	if count == 0 {
		return f, &refusal{fmt.Sprintf("no callback reported progress between a tenth and the end of %.1f s", took.Seconds())}
	}
	f.detail = fmt.Sprintf("%d reports in %.1f s; the seconds remaining are wrong by %.0f %% of the whole at most", count, took.Seconds(), 100*left)
	if 100*left > mostWrong {
		f.unmet = append(f.unmet, "the seconds remaining are wrong")
	}
	if backwards > 0 {
		f.unmet = append(f.unmet, fmt.Sprintf("%d times less than before", backwards))
	}
	return f, nil
}

// preview is how long one frame of a film takes.
func preview(ctx context.Context, b *bench) (figure, error) {
	room, err := b.room(ctx, b.reference())
	if err != nil {
		return figure{}, err
	}
	s, _, stop, err := b.serve(ctx)
	if err != nil {
		return figure{}, err
	}
	defer stop()
	sid, err := s.ImportRoom(ctx, room.manifest)
	if err != nil {
		return figure{}, err
	}
	var took []time.Duration
	var image []byte
	for i := range 9 {
		asked := parameters(sid, standardFilm, room)
		asked.Set("Second", strconv.Itoa((i+1)*b.seconds/10))
		began := time.Now()
		if image, err = post(ctx, s, "/roomreel/v1/CompositionPreviews", asked); err != nil {
			return figure{}, err
		}
		took = append(took, time.Since(began))
	}
	kind := http.DetectContentType(image)
	if !strings.HasPrefix(kind, "image/") {
		return figure{}, fmt.Errorf("the preview is %s", kind)
	}
	slices.Sort(took)
	return figure{
		value:  float64(took[len(took)/2].Milliseconds()),
		detail: fmt.Sprintf("median of %d seconds of the film, %d to %d ms; %s of %d kB", len(took), took[0].Milliseconds(), took[len(took)-1].Milliseconds(), kind, len(image)/1000),
	}, nil
}

// post sends a form and returns the answer. A path that does not exist is a refusal.
func post(ctx context.Context, s *server.Server, path string, form url.Values) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	q.SetBasicAuth(s.Account, s.Token)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusMethodNotAllowed:
		return nil, &refusal{fmt.Sprintf("POST %s is answered with %d", path, response.StatusCode)}
	case response.StatusCode >= 300:
		return nil, fmt.Errorf("POST %s: %s: %s", path, response.Status, bytes.TrimSpace(body))
	}
	return body, err
}

// workers compares two worker processes with one core each with one of them. API, database and the bench itself may use both cores.
func workers(ctx context.Context, b *bench) (figure, error) {
	room, err := b.room(ctx, together(3))
	if err != nil {
		return figure{}, err
	}
	database, err := storetest.Server()
	if err != nil {
		return figure{}, err
	}
	front, data, stop, err := b.serve(ctx, "--database", database, "--role", "api")
	if err != nil {
		return figure{}, err
	}
	defer stop()
	sid, err := front.ImportRoom(ctx, room.manifest)
	if err != nil {
		return figure{}, err
	}
	with := func(count int) (took time.Duration, err error) {
		for core := range count {
			worker, startErr := b.node(ctx, data, []string{"taskset", "-c", strconv.Itoa(core)}, front, "--database", database, "--role", "worker")
			if startErr != nil {
				return 0, startErr
			}
			defer worker.Stop()
		}
		time.Sleep(time.Second)
		return compose(ctx, front.API, parameters(sid, standardFilm, room), 50*time.Millisecond)
	}
	var one, two []time.Duration
	for range b.turns {
		for _, nodes := range []struct {
			count int
			took  *[]time.Duration
		}{{1, &one}, {2, &two}} {
			took, err := with(nodes.count)
			if err != nil {
				return figure{}, fmt.Errorf("%d workers: %w", nodes.count, err)
			}
			*nodes.took = append(*nodes.took, took)
		}
	}
	same := func(d time.Duration) time.Duration { return d }
	alone, both := middle(one, same), middle(two, same)
	return figure{
		value:  ratio(alone, both),
		detail: fmt.Sprintf("%d s of film in %.1f s by one and %.1f s by two, medians of %d", room.seconds, alone.Seconds(), both.Seconds(), b.turns),
	}, nil
}
