package plan

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

// A stored plan is sections one after another, each the deflated JSON of one value: every task, then the summary. After
// them come a table of the sections (JSON) and its length in eight bytes. The table holds the SHA-256 of each section, and
// the plan's checksum is the SHA-256 of the table, so that a reader who knows the checksum can trust any section alone.
//
// A worker carries out the versions from oldest to Version as they stand, whatever its own planner would decide. It
// declines others with ErrVersion. A change of what stored plans mean is a new version: compose's tests keep a plan of each.
//
//	1  the first
//	2  runs and ranges are arrays of numbers: a room of 50 people for 4 h has two million runs
//	3  cells of cameras that are off are left out of scenes; tracks have a clock; a film has a colour, before all were BT.601;
//	   tracks have parts, each with headers of its own
//	4  packets of recordings may be copied into the film (Copy): frames then have times of their own; a film of mono
//	   recordings is mono: the audio encoders say how many channels, before films were stereo;
//	   encoders whose streams allow it repeat frames that show the same, and have a parameter set more for that;
//	   video may be av1, and an encoder may have a device
const (
	Version = 4
	oldest  = 1
)

// ErrVersion means that a plan was stored by a version of the program that this one does not know.
var ErrVersion = errors.New("the plan has a version that this program cannot carry out")

// Knows reports whether this program carries out stored plans of a version.
func Knows(version int) bool { return version >= oldest && version <= Version }

var errDamaged = errors.New("the stored plan is damaged")

const (
	maxTable   = 16 << 20  // bytes; a section takes about 120
	maxSection = 512 << 20 // bytes when inflated
)

// table is at the end of a stored plan.
type table struct {
	Version int
	Summary section
	Video   []section
	Audio   []section
}

type section struct {
	At, Size int64 // bytes
	Sum      string
}

// Write stores the plan and returns its checksum.
func (p *Plan) Write(w io.Writer) (checksum string, err error) { return p.write(w, Version) }

func (p *Plan) write(w io.Writer, version int) (checksum string, err error) {
	t := table{Version: version}
	at := int64(0)
	put := func(value any) section {
		var b bytes.Buffer
		deflate, _ := flate.NewWriter(&b, flate.BestSpeed) // the level is valid
		if err == nil {
			err = json.NewEncoder(deflate).Encode(value)
		}
		deflate.Close()
		if err == nil {
			_, err = w.Write(b.Bytes())
		}
		s := section{At: at, Size: int64(b.Len()), Sum: hash(b.Bytes())}
		at += s.Size
		return s
	}
	for i := range p.Video {
		t.Video = append(t.Video, put(&p.Video[i]))
	}
	for i := range p.Audio {
		t.Audio = append(t.Audio, put(&p.Audio[i]))
	}
	t.Summary = put(&p.Summary)
	if err != nil {
		return "", fmt.Errorf("write plan: %w", err)
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write plan: %w", err)
	}
	if _, err := w.Write(binary.BigEndian.AppendUint64(text, uint64(len(text)))); err != nil {
		return "", fmt.Errorf("write plan: %w", err)
	}
	return hash(text), nil
}

// MarshalJSON writes a range as an array.
func (r Range) MarshalJSON() ([]byte, error) {
	return json.Marshal([...]int{r.From, r.To, r.Start, r.End})
}

// UnmarshalJSON reads a range of version 2, or the object of version 1.
func (r *Range) UnmarshalJSON(text []byte) error {
	if text[0] == '{' {
		type v1 Range
		return json.Unmarshal(text, (*v1)(r))
	}
	return numbers(text, &r.From, &r.To, &r.Start, &r.End)
}

// runs are protocol's runs as they are stored.
type runs []protocol.Run

// MarshalJSON writes each run as an array.
func (all runs) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, r := range all {
		if i > 0 {
			b = append(b, ',')
		}
		for k, n := range [...]int64{r.At, int64(r.Packets), r.Decoded, r.Length, int64(r.Skip), r.Start} {
			b = append(b, "[,,,,,"[k])
			b = strconv.AppendInt(b, n, 10)
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads the runs of version 2, or the objects of version 1.
func (all *runs) UnmarshalJSON(text []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return err
	}
	*all = make(runs, len(items))
	for i, item := range items {
		r := &(*all)[i]
		err := error(nil)
		if item[0] == '{' {
			err = json.Unmarshal(item, r)
		} else {
			err = numbers(item, &r.At, &r.Packets, &r.Decoded, &r.Length, &r.Skip, &r.Start)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// numbers reads an array of as many numbers as there are places for.
func numbers(text []byte, into ...any) error {
	n := len(into)
	if err := json.Unmarshal(text, &into); err != nil {
		return err
	}
	if len(into) != n {
		return fmt.Errorf("%d numbers instead of %d", len(into), n)
	}
	return nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// File is a stored plan, open for reading in slices.
type File struct {
	r     io.ReaderAt
	table table
}

// Open opens a stored plan of size bytes. The error is ErrVersion, wrapped, when it is not for this version of the program.
func Open(r io.ReaderAt, size int64, checksum string) (*File, error) {
	if size < 8 {
		return nil, errDamaged
	}
	tail, err := readAt(r, size-8, 8)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(tail)
	if length > maxTable || int64(length) > size-8 {
		return nil, errDamaged
	}
	text, err := readAt(r, size-8-int64(length), int64(length))
	if err != nil {
		return nil, err
	}
	if hash(text) != checksum {
		return nil, fmt.Errorf("%w: its checksum is not the one that was noted", errDamaged)
	}
	f := &File{r: r}
	if err := json.Unmarshal(text, &f.table); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if v := f.table.Version; !Knows(v) {
		return nil, fmt.Errorf("%w: it has version %d, this program knows versions %d to %d", ErrVersion, v, oldest, Version)
	}
	return f, nil
}

// Summary reads what concerns the film as a whole.
func (f *File) Summary() (*Summary, error) {
	s, err := read[Summary](f, f.table.Summary)
	if err == nil && f.table.Version < 3 {
		s.Colour = media.BT601
	}
	return s, err
}

// AudioTasks returns how many audio tasks there are.
func (f *File) AudioTasks() int { return len(f.table.Audio) }

// Video reads video task i.
func (f *File) Video(i int) (*VideoTask, error) { return readTask[VideoTask](f, f.table.Video, i) }

// Audio reads audio task i.
func (f *File) Audio(i int) (*AudioTask, error) { return readTask[AudioTask](f, f.table.Audio, i) }

func readTask[T any](f *File, tasks []section, i int) (*T, error) {
	if i < 0 || i >= len(tasks) {
		return nil, fmt.Errorf("the plan has %d tasks of this kind, and no number %d", len(tasks), i)
	}
	return read[T](f, tasks[i])
}

func read[T any](f *File, s section) (*T, error) {
	b, err := readAt(f.r, s.At, s.Size)
	if err != nil {
		return nil, err
	}
	if hash(b) != s.Sum {
		return nil, fmt.Errorf("%w: a section's checksum does not fit", errDamaged)
	}
	value := new(T)
	inflate := io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxSection)
	if err := json.NewDecoder(inflate).Decode(value); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return value, nil
}

func readAt(r io.ReaderAt, at, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, at, n), b); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return b, nil
}
