package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// row is a line of the table.
type row struct {
	name    string // for -rows
	title   string
	goal    goal
	measure func(context.Context, *bench) (figure, error)
}

// figure is what a row measured.
type figure struct {
	value  float64  // in the unit of the row's goal
	unmet  []string // what else must hold and does not
	detail string
}

// goal is what a figure is to be: at most a limit, or at least. Without a limit, that it can be measured.
type goal struct {
	limit   float64
	atLeast bool
	unit    string
}

func atMost(limit float64, unit string) goal  { return goal{limit, false, unit} }
func atLeast(limit float64, unit string) goal { return goal{limit, true, unit} }
func works(unit string) goal                  { return goal{unit: unit} }

// The units of figures.
const (
	times      = "x" // a ratio
	seconds    = "s"
	millis     = "ms"
	mb         = "MB"
	percent    = "%"
	coreSecond = "core-s/min" // for a minute of film
)

func (g goal) String() string {
	switch {
	case g.limit == 0:
		return "works"
	case g.atLeast:
		return ">= " + g.print(g.limit)
	}
	return "<= " + g.print(g.limit)
}

func (g goal) print(value float64) string {
	switch {
	case g.unit == times && value < 20, g.unit == seconds:
		return fmt.Sprintf("%.2f %s", value, g.unit)
	case g.unit == percent, g.unit == coreSecond:
		return fmt.Sprintf("%.1f %s", value, g.unit)
	}
	return fmt.Sprintf("%.0f %s", value, g.unit)
}

// judge returns what the table shows of a row.
func (r row) judge(f figure, err error) (value, status, detail string) {
	refused, isRefusal := errors.AsType[*refusal](err)
	switch {
	case isRefusal:
		return "", "refused", refused.said
	case err != nil:
		first, _, _ := strings.Cut(err.Error(), "\n")
		return "", "FAILED", first
	}
	reached := f.value <= r.goal.limit
	if r.goal.atLeast {
		reached = f.value >= r.goal.limit
	}
	switch {
	case r.goal.limit == 0:
		status = "works"
	case !reached || len(f.unmet) > 0:
		status = "missed"
	default:
		status = "reached"
	}
	detail = f.detail
	if len(f.unmet) > 0 {
		detail = strings.Join(f.unmet, ", ") + "; " + detail
	}
	return r.goal.print(f.value), status, detail
}

var (
	webcam       = camera{w: 640, h: 480, fps: 30}
	standardFilm = film{w: 1280, h: 720, fps: 25, format: "mp4", cells: grid(1280, 720, 2, 2)}
	webmFilm     = film{w: 1280, h: 720, fps: 25, format: "webm", cells: grid(1280, 720, 2, 2)}
)

// How users encode by hand.
var (
	veryfast = []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart"}
	medium   = []string{"-c:v", "libx264", "-crf", "23", "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart"}
	// libvpx has one thread: several wait for each other actively, which doubles its time on a machine that does something besides.
	libvpx  = []string{"-c:v", "libvpx", "-deadline", "good", "-cpu-used", "5", "-threads", "1", "-b:v", "1500k", "-c:a", "libopus", "-b:a", "64k"}
	aac     = []string{"-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart"}
	libopus = []string{"-c:a", "libopus", "-b:a", "64k"}
)

// reference is the reference room: four people who join two seconds apart.
func (b *bench) reference() spec {
	return spec{name: "reference", seconds: b.seconds, cameras: people(4, webcam), microphones: 4, joins: 2000}
}

// together is a room of four people who are there from the start: one minute, repeated packet by packet.
func together(minutes int) spec {
	return spec{name: "together", seconds: 60, loops: minutes, cameras: people(4, webcam), microphones: 4}
}

// rows is the table, in the order in which it is printed.
var rows = []row{
	{"cpu", "cpu, `standard` mp4, against by-hand x264 `veryfast`", atMost(0.50, times), figureOf(standard, result.cpu)},
	{"wall", "wall, the same", atMost(0.50, times), figureOf(standard, result.wall)},
	{"wall-medium", "wall, against by-hand x264 with ffmpeg's default preset", atMost(0.22, times), figureOf(standardMedium, result.wall)},
	{"still", "cpu, a room where most stands still, against by-hand `veryfast`", atMost(0.25, times), figureOf(still, result.cpu)},
	{"floor", "cpu, over decode + scale + encode + audio, each alone", atMost(1.10, times), overFloor},
	{"webm", "cpu, `standard` webm, against by-hand libvpx", atMost(0.60, times), figureOf(standardWebM, result.cpu)},
	{"audio-aac", "cpu, audio alone, 4 microphones, against by-hand amix + aac", atMost(0.60, times), figureOf(audio("mp4", aac), result.cpu)},
	{"audio-aac-speed", "audio alone, aac, times real time", atLeast(150, times), figureOf(audio("mp4", aac), result.speed)},
	{"audio-opus", "cpu, audio alone, 4 microphones, against by-hand amix + libopus", atMost(0.60, times), figureOf(audio("webm", libopus), result.cpu)},
	{"audio-opus-speed", "audio alone, opus, times real time", atLeast(150, times), figureOf(audio("webm", libopus), result.speed)},
	{"copy", "one participant, copied, times real time", atLeast(300, times), figureOf(copied, result.speed)},
	{"latency", "POST to `completed`, a room of 5 s, idle server", atMost(0.70, seconds), latency},
	{"memory", "memory of all processes, 9 participants 720p, 10 min", atMost(700, mb), memory},
	{"memory-length", "memory, the same room, 10 min against 1 min (`-long`: 2 h against 10 min)", atMost(1.05, times), memoryOfLength},
	{"length", "cpu per second of film, 10 min against 1 min (`-long`: 2 h against 10 min)", atMost(1.05, times), costOfLength},
	{"people", "cpu per shown pixel, 50 participants against 4, video alone", atMost(1.15, times), costOfPeople},
	{"workers", "two workers with one core each against one", atLeast(1.90, times), workers},
	{"1080p30", "cpu, 1920x1080, 30 frames/s, against by-hand `veryfast`", works(times), figureOf(large(1920, 1080, 30), result.cpu)},
	{"1080p60", "cpu, 1920x1080, 60 frames/s, the same", works(times), figureOf(large(1920, 1080, 60), result.cpu)},
	{"2160p30", "cpu, 3840x2160, 30 frames/s, the same", works(times), figureOf(large(3840, 2160, 30), result.cpu)},
	{"2160p60", "cpu, 3840x2160, 60 frames/s, the same", works(times), figureOf(large(3840, 2160, 60), result.cpu)},
	{"draft", "quality policy `draft`", works(coreSecond), figureOf(policy("draft"), result.cost)},
	{"standard", "quality policy `standard`", works(coreSecond), figureOf(policy("standard"), result.cost)},
	{"archive", "quality policy `archive`", works(coreSecond), figureOf(policy("archive"), result.cost)},
	{"small", "quality policy `small`", works(coreSecond), figureOf(policy("small"), result.cost)},
	{"progress", "progress, largest error after the first tenth", atMost(mostWrong, percent), progress},
	{"preview", "one frame of a film", atMost(500, millis), preview},
}

// figureOf makes a row of one figure of a contest.
func figureOf(contest func(*bench) contest, of func(result) figure) func(context.Context, *bench) (figure, error) {
	return func(ctx context.Context, b *bench) (figure, error) {
		o, err := b.contest(ctx, contest(b))
		if err != nil {
			return figure{}, err
		}
		return of(o), nil
	}
}

func standard(b *bench) contest {
	return contest{name: "standard", room: b.reference(), film: standardFilm, hand: veryfast, ssim: true}
}

func standardMedium(b *bench) contest {
	return contest{name: "medium", room: b.reference(), film: standardFilm, hand: medium}
}

func standardWebM(b *bench) contest {
	return contest{name: "webm", room: b.reference(), film: webmFilm, hand: libvpx, ssim: true}
}

// still shows a screen and a column of four cameras. Two of them have 15 frames per second; two send nothing for most of the time, and
// their last frame stays.
func still(b *bench) contest {
	slow, held := camera{w: 640, h: 480, fps: 15}, camera{w: 640, h: 480, fps: 30, held: true}
	room := spec{name: "still", seconds: b.seconds, microphones: 4, cameras: []camera{slow, slow, held, held, {w: 1280, h: 720, fps: 5, screen: true}}}
	shown := standardFilm
	shown.cells = nil
	for i := range 4 {
		shown.cells = append(shown.cells, cell{960, i * 180, 320, 180})
	}
	shown.cells = append(shown.cells, cell{0, 0, 960, 720})
	return contest{name: "still", room: room, film: shown, hand: veryfast, set: []string{"--hold", "0"}, ssim: true}
}

func audio(format string, hand []string) func(*bench) contest {
	return func(b *bench) contest {
		return contest{
			name: "audio " + format, room: spec{name: "microphones", seconds: 5 * b.seconds, microphones: 4}, film: film{fps: 25, format: format}, hand: hand,
		}
	}
}

// copied is a room of one participant that fills the canvas in the codecs of the film, so that nothing has to be encoded.
func copied(b *bench) contest {
	return contest{
		name: "copied", room: spec{name: "alone", seconds: 5 * b.seconds, cameras: people(1, webcam), microphones: 1}, most: 1,
		film: film{w: 640, h: 480, fps: 30, format: "webm", cells: grid(640, 480, 1, 1)},
	}
}

// large is a film of cameras as large as their cells, or nearly so.
func large(w, h, fps int) func(*bench) contest {
	return func(b *bench) contest {
		source, length := camera{w: 1280, h: 720, fps: 30}, max(1, b.seconds/6)
		if h > 1080 {
			source, length = camera{w: 1920, h: 1080, fps: 30}, max(1, b.seconds/12)
		}
		return contest{
			name: fmt.Sprint(w, h, fps), room: spec{name: fmt.Sprintf("cameras-%d", source.h), seconds: length, cameras: people(4, source), microphones: 4},
			film: film{w: w, h: h, fps: fps, format: "mp4", cells: grid(w, h, 2, 2)}, hand: veryfast, ssim: true, most: 1,
		}
	}
}

// policy is a film of the reference room by another quality policy.
func policy(name string) func(*bench) contest {
	return func(b *bench) contest {
		return contest{name: "policy " + name, room: b.reference(), film: standardFilm, set: []string{"--set", "compose.encoder=" + name}, ssim: true, most: 1}
	}
}

// overFloor compares the film of the reference room with what decoding, scaling, encoding and audio cost at least.
func overFloor(ctx context.Context, b *bench) (figure, error) {
	floor := filepath.Join(b.work, "floor")
	build := exec.CommandContext(ctx, "go", "build", "-o", floor, "./bench/floor")
	if output, err := build.CombinedOutput(); err != nil {
		return figure{}, fmt.Errorf("go build ./bench/floor: %w\n%s", err, output)
	}
	room, err := b.room(ctx, b.reference())
	if err != nil {
		return figure{}, err
	}
	type parts struct{ Decode, Scale, Encode, Audio float64 }
	var alone []parts
	var ours []run
	out := filepath.Join(b.work, "roomreel.mp4")
	for range b.turns {
		r, err := measure(ctx, out, b.compose(room, standardFilm, out)...)
		if err != nil {
			return figure{}, err
		}
		ours = append(ours, r)
		text, err := exec.CommandContext(ctx, floor, "-room", room.manifest).Output()
		if err != nil {
			return figure{}, fmt.Errorf("floor: %w", err)
		}
		var p parts
		if err := json.Unmarshal(text, &p); err != nil {
			return figure{}, fmt.Errorf("floor: %w", err)
		}
		alone = append(alone, p)
	}
	p := parts{
		middle(alone, func(p parts) float64 { return p.Decode }), middle(alone, func(p parts) float64 { return p.Scale }),
		middle(alone, func(p parts) float64 { return p.Encode }), middle(alone, func(p parts) float64 { return p.Audio }),
	}
	sum, cpu := p.Decode+p.Scale+p.Encode+p.Audio, median(ours).cpu.Seconds()
	return figure{
		value:  cpu / sum,
		detail: fmt.Sprintf("%.2f over %.2f core-s: decode %.2f, scale %.2f, encode %.2f, audio %.2f", cpu, sum, p.Decode, p.Scale, p.Encode, p.Audio),
	}, nil
}

// memoryOf9 returns the memory of all processes that compose a room of 9 people.
func (b *bench) memoryOf9(ctx context.Context, minutes int) (run, error) {
	key := fmt.Sprint("memory ", minutes)
	if o, ok := b.results[key]; ok {
		return o.result.ours, o.err
	}
	room, err := b.room(ctx, spec{name: "nine", seconds: 60, loops: minutes, cameras: people(9, camera{w: 1280, h: 720, fps: 30}), microphones: 9})
	if err != nil {
		return run{}, err
	}
	shown := standardFilm
	shown.cells = grid(shown.w, shown.h, 3, 3)
	out := filepath.Join(b.work, "memory.mp4")
	r, err := measureMemory(ctx, out, b.compose(room, shown, out)...)
	b.results[key] = ended{result{ours: r}, err}
	return r, err
}

func memory(ctx context.Context, b *bench) (figure, error) {
	r, err := b.memoryOf9(ctx, 10)
	return figure{value: megabytes(r.memory), detail: fmt.Sprintf("largest sum of all processes (PSS), every 100 ms for %.0f s", r.wall.Seconds())}, err
}

// lengths returns the minutes of the two rooms whose costs are compared.
func (b *bench) lengths() (short, longer int) {
	if b.long {
		return 10, 120
	}
	return 1, 10
}

func memoryOfLength(ctx context.Context, b *bench) (figure, error) {
	short, longer := b.lengths()
	a, err := b.memoryOf9(ctx, short)
	if err != nil {
		return figure{}, err
	}
	z, err := b.memoryOf9(ctx, longer)
	if err != nil {
		return figure{}, err
	}
	return figure{
		value:  ratio(z.memory, a.memory),
		detail: fmt.Sprintf("%.0f MB for %d min, %.0f MB for %d min", megabytes(z.memory), longer, megabytes(a.memory), short),
	}, nil
}

func costOfLength(ctx context.Context, b *bench) (figure, error) {
	short, longer := b.lengths()
	cost := func(minutes, most int) (float64, error) {
		o, err := b.contest(ctx, contest{name: fmt.Sprint("length ", minutes), room: together(minutes), film: standardFilm, most: most})
		return o.ours.cpu.Seconds() / float64(60*minutes), err
	}
	a, err := cost(short, b.turns)
	if err != nil {
		return figure{}, err
	}
	z, err := cost(longer, 1)
	return figure{value: z / a, detail: fmt.Sprintf("%.1f core-ms a second for %d min, %.1f for %d min", 1000*z, longer, 1000*a, short)}, err
}

// costOfPeople compares rooms whose cameras fill their cells, so that as many pixels are decoded as are shown, and the same canvas
// is encoded. A row of the detail has cameras of one size, as a server without simulcast records them.
func costOfPeople(ctx context.Context, b *bench) (figure, error) {
	cost := func(name string, c camera, count, columns, rows int) (time.Duration, error) {
		shown := standardFilm
		shown.cells = grid(shown.w, shown.h, columns, rows)
		room := spec{name: name, seconds: b.seconds / 2, cameras: people(count, c)}
		o, err := b.contest(ctx, contest{name: name, room: room, film: shown})
		return o.ours.cpu, err
	}
	few, err := cost("four-fitting", camera{w: 640, h: 360, fps: 30}, 4, 2, 2)
	if err != nil {
		return figure{}, err
	}
	many, err := cost("fifty-fitting", camera{w: 128, h: 144, fps: 30}, 50, 10, 5)
	if err != nil {
		return figure{}, err
	}
	four, err := cost("four", webcam, 4, 2, 2)
	if err != nil {
		return figure{}, err
	}
	fifty, err := cost("fifty", webcam, 50, 10, 5)
	return figure{
		value: ratio(many, few),
		detail: fmt.Sprintf("%.2f and %.2f core-s, cameras as large as their cells; cameras of 640x480: %.2f and %.2f core-s, %.2f times for each camera",
			many.Seconds(), few.Seconds(), fifty.Seconds(), four.Seconds(), ratio(fifty, four)*4/50),
	}, err
}
