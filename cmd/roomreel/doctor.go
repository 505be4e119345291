package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"roomreel/internal/app"
	"roomreel/internal/config"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/store"
)

type doctorCommand struct{ dataFlags }

// checkup prints what doctor finds, a line for each.
type checkup struct {
	s       *session
	failed  bool // the service cannot run
	lacking bool // the service can run, and something should be improved
}

func (e *checkup) say(word, what, format string, args ...any) {
	fmt.Fprintf(e.s.stdout, "%-7s %-9s %s\n", word, what, fmt.Sprintf(format, args...))
}

func (e *checkup) ok(what, format string, args ...any) { e.say("ok", what, format, args...) }

func (e *checkup) warn(what, format string, args ...any) {
	e.lacking = true
	e.say("warning", what, format, args...)
}

func (e *checkup) fail(what, format string, args ...any) {
	e.failed = true
	e.say("missing", what, format, args...)
}

// Help explains the exit codes.
func (doctorCommand) Help() string {
	return "Exit code 0: nothing is missing; 3: the service can run, but something should be improved; 1: the service cannot run."
}

func (c doctorCommand) Run(ctx context.Context, s *session) error {
	settings, origins, err := c.load(s, nil)
	if err != nil {
		return err
	}
	e := &checkup{s: s}
	e.ok("program", "roomreel %s, %s, %d cores", version, runtime.Version(), runtime.GOMAXPROCS(0))
	e.child(ctx, settings.Render)
	e.data(ctx, settings, origins)
	switch {
	case e.failed:
		return errors.New("the service cannot run like this")
	case e.lacking:
		return errPartial
	}
	return nil
}

// child checks the render child: whether its program exists, which codec libraries it is linked to, and whether it starts,
// which it does only when it finds them.
func (e *checkup) child(ctx context.Context, c config.Render) {
	child, err := renderCommand(c)
	if err != nil {
		e.fail("child", "%v", err)
		return
	}
	e.ok("child", "%s", child.Path)
	if libraries, err := codecLibraries(child.Path); err != nil {
		e.warn("codecs", "%v", err)
	} else {
		e.ok("codecs", "%s", strings.Join(libraries, ", "))
	}
	report, err := render.Probe(ctx, child)
	if err != nil {
		e.fail("sandbox", "%v", err)
		return
	}
	if slices.Contains(report.Encoders, plan.SmallCodec) {
		e.ok("encoders", "%s", strings.Join(report.Encoders, ", "))
	} else {
		e.warn("encoders", "%s; %s", strings.Join(report.Encoders, ", "), noAV1)
	}
	if report.Lacking != "" {
		e.warn("device", "%s; this node encodes in software", report.Lacking)
	}
	for _, protection := range report.Protections {
		if protection.InForce {
			e.ok("sandbox", "%s", protection.Name)
		} else {
			e.warn("sandbox", "%s is missing: %s", protection.Name, protection.Hint)
		}
	}
	for _, escape := range report.Escapes {
		e.warn("sandbox", "a render child was able to %s", escape)
	}
}

// noAV1 says what is missing for films of the quality small.
const noAV1 = "the quality small needs AV1, and roomreel-render's libavcodec has no libsvtav1: install one that was built with it"

// codecLibraries names the versions of libavcodec, libavutil, libopus and libyuv that a render child was linked to.
func codecLibraries(path string) ([]string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all, err := file.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	var codecs []string
	for _, name := range all {
		if slices.ContainsFunc([]string{"libav", "libopus", "libyuv"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			codecs = append(codecs, name)
		}
	}
	if len(codecs) == 0 {
		return nil, fmt.Errorf("%s is linked to no codec library", path)
	}
	return codecs, nil
}

// littleSpace is about what an hour of a room of four participants needs, recordings and film.
const littleSpace = 2 << 30

// data opens what the service opens, and checks who else may read it and how much space is free. It creates nothing: a service
// that never ran has no data yet.
func (e *checkup) data(ctx context.Context, c config.Config, origins []config.Setting) {
	b, err := openBackend(ctx, c, true, slog.New(slog.DiscardHandler))
	var wrongKeys *keysError
	switch {
	case errors.Is(err, store.ErrNoDatabase):
		e.ok("database", "%s yet; `roomreel serve` makes one. %s", noDatabase(c), whereData(origins))
	case errors.As(err, &wrongKeys):
		e.fail("keys", "%v", err)
	case err != nil:
		e.fail("data", "%v", err)
	default:
		defer b.close()
		e.database(ctx, c, b)
	}
	e.folder(c.Server.Data)
}

func (e *checkup) database(ctx context.Context, c config.Config, b *backend) {
	kind := "SQLite in " + absolute(c.Server.Data)
	if c.Database.URL.Reveal() != "" {
		kind = c.Database.URL.String()
	}
	if err := b.store.Ping(ctx); err != nil {
		e.fail("database", "%s: %v", kind, err)
		return
	}
	e.ok("database", "%s", kind)
	if schema := b.store.Schema(); schema.Newer() {
		e.warn("database", "%s", newerSchema(schema))
	}
	e.ok("keys", "%s has %d keys, which open all secrets of the database", keyPath(c), b.keys.Len())
}

// newerSchema says that nodes of a newer program use the database as well.
func newerSchema(s store.Schema) string {
	return fmt.Sprintf("a newer roomreel made its tables (version %d, known here: %d); this one can work with them until all nodes are updated", s.Database, s.Known)
}

// folder checks the data folder, or before the first start of the service the folder in which it will be made.
func (e *checkup) folder(data string) {
	at := absolute(data)
	info, err := os.Stat(at)
	for errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	var free int64
	if err == nil {
		free, err = app.FreeSpace(at)
	}
	switch {
	case err != nil:
		e.fail("disk", "%v", err)
	case free < littleSpace:
		e.warn("disk", "%s has only %d MB free", at, free/1e6)
	default:
		e.ok("disk", "%s has %d GB free", at, free/1e9)
	}
	if err != nil || at != absolute(data) {
		return
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		e.warn("access", "the folder %s is open to other users (mode %04o): chmod 700 %[1]s", at, mode)
	}
	for _, name := range openToOthers(at) {
		e.warn("access", "%s is open to other users, and its mode cannot be changed by this user", name)
	}
}
