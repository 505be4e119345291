package matroska

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/media"
)

// readFilm reads a film back and lists its packets.
func readFilm(b []byte) (media.Film, map[*media.FilmTrack][]media.FilmPacket, error) {
	packets := map[*media.FilmTrack][]media.FilmPacket{}
	film, err := ReadFilm(bytes.NewReader(b), int64(len(b)), func(track *media.FilmTrack, p media.FilmPacket) error {
		packets[track] = append(packets[track], p)
		return nil
	})
	return film, packets, err
}

func TestReadFilm_SaysWhatWasWritten(t *testing.T) {
	_, b := writeWebM(t, videoVP8(t, 77, 25, 1, 30), audioOpus(t, "sin(2*PI*440*t)", 147840))
	film, packets, err := readFilm(b)
	if err != nil {
		t.Fatal(err)
	}
	want := media.Film{Duration: 3080 * time.Millisecond, Front: true, Tracks: []*media.FilmTrack{
		{Video: true, Codec: "vp8", Width: 160, Height: 120, Scale: 1000},
		{Codec: "opus", Rate: 48000, Channels: 2, Scale: 1000, Delay: 312},
	}}
	if d := cmp.Diff(want, film); d != "" {
		t.Fatal(d)
	}
	video, audio := packets[film.Tracks[0]], packets[film.Tracks[1]]
	keys := 0
	for i, p := range video {
		if p.Shown != int64(40*i) {
			t.Errorf("frame %d is shown at %d ms", i, p.Shown)
		}
		if p.Key {
			keys++
		}
	}
	samples := int64(0)
	for _, p := range audio {
		samples += p.Samples
	}
	if len(video) != 77 || keys != 3 || samples != 312+147840 {
		t.Errorf("%d frames, %d keyframes, %d samples", len(video), keys, samples)
	}
	for cut := range len(b) {
		if _, err := ReadFilm(bytes.NewReader(b[:cut]), int64(cut), nil); err == nil {
			t.Fatalf("a film cut at byte %d of %d passes", cut, len(b))
		}
	}
}

func TestReadFilm_RefusesWhatPlayersCannotSeekIn(t *testing.T) {
	_, whole := writeWebM(t, videoVP8(t, 77, 25, 1, 30), audioOpus(t, "sin(2*PI*440*t)", 147840))
	// after is where the nth element with an ID begins its body.
	after := func(id uint32, n int) int {
		var marker []byte
		marker = appendID(marker, id)
		from := 0
		for range n {
			from += bytes.Index(whole[from:], marker) + len(marker)
		}
		_, size := parseSize(whole[from:])
		return from + size
	}
	film, packets, err := readFilm(whole)
	if err != nil {
		t.Fatal(err)
	}
	first := int(packets[film.Tracks[0]][0].Pos) // of the first frame; its flags and its track are before it
	for name, test := range map[string]struct {
		change func(b []byte)
		want   string
	}{
		"seek head":        {func(b []byte) { b[after(idSeekPosition, 2)+7]++ }, "its seek head names an element that is not there"},
		"no seek to cues":  {func(b []byte) { copy(b[after(idSeekID, 3):], appendID(nil, idTracks)) }, "its seek head"},
		"cue position":     {func(b []byte) { b[after(idCueClusterPosition, 2)+7]++ }, "does not point at a cluster"},
		"cue time":         {func(b []byte) { b[after(idCueTime, 3)]++ }, "does not point at a cluster"},
		"cluster time":     {func(b []byte) { b[after(idTimestamp, 2)]++ }, "does not point at a cluster"},
		"keyframe flag":    {func(b []byte) { b[first-1] &^= blockKey }, "does not point at a cluster"},
		"keyframe payload": {func(b []byte) { b[first] |= 1 }, "flagged as a keyframe and is none"},
		"no cue": {func(b []byte) {
			b[bytes.LastIndexByte(b[:after(idCluster, 1)-8], idCuePoint)] = idVoid
		}, "have a cue"},
		"segment size": {func(b []byte) { b[after(idSegment, 1)-1]-- }, "does not reach to the end"},
		"no duration":  {func(b []byte) { copy(b[after(idDuration, 1):], make([]byte, 8)) }, "no duration"},
		"duration": {func(b []byte) {
			binary.BigEndian.PutUint64(b[after(idDuration, 1):], math.Float64bits(math.NaN()))
		}, "no duration"},
		"laces":        {func(b []byte) { b[first-1] |= laceFixed }, "laces"},
		"track number": {func(b []byte) { b[first-4] = 0x83 }, "not in the track list"},
		"document":     {func(b []byte) { copy(b[after(idDocType, 1):], "wabm") }, "WebM"},
	} {
		b := bytes.Clone(whole)
		test.change(b)
		if _, err := ReadFilm(bytes.NewReader(b), int64(len(b)), nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func FuzzReadFilm(f *testing.F) {
	_, b := writeWebM(f, videoVP8(f, 10, 25, 1, 5), audioOpus(f, "sin(2*PI*440*t)", 19200))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, packets, err := readFilm(b)
		if err != nil {
			return
		}
		for _, list := range packets {
			for _, p := range list {
				if p.Pos+p.Size > int64(len(b)) || p.Size < 0 {
					t.Errorf("a packet ends at %d, the file at %d", p.Pos+p.Size, len(b))
				}
			}
		}
	})
}
