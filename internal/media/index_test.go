package media_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/media"
)

// indexOf makes an index of n packets with gaps in time and position, reordered frames, sizes and split packets.
func indexOf(n int, seed uint64) *media.Index {
	r := rand.New(rand.NewPCG(seed, 1))
	x := &media.Index{Codec: "h264", Video: true, Private: []byte{1, 2}, Width: 640, Height: 480, Prefix: []byte{9}, CodecDelay: 6500 * time.Microsecond, Truncated: true}
	at, pos := time.Duration(0), int64(40)
	for i := range n {
		p := media.Packet{Time: at, Pos: pos, Size: r.IntN(2000), Key: i%90 == 0}
		if i%90 == 0 {
			p.Width, p.Height = 320+i%7*2, 240
		}
		if i%5 == 3 { // shown later than the two that follow it
			p.Time += 70 * time.Millisecond
		}
		pos += int64(p.Size) + int64(r.IntN(3)*7)
		if i%11 == 0 {
			p.Rest = []media.Span{{Pos: pos, Size: 17}, {Pos: pos + 40, Size: 3}}
			pos += 50
		}
		x.Packets = append(x.Packets, p)
		at += time.Duration(r.IntN(60)) * time.Millisecond
	}
	x.Size = pos
	return x
}

// withNeeds fills in Need by its definition.
func withNeeds(packets []media.Packet) []media.Packet {
	out := append([]media.Packet(nil), packets...)
	for i := range out {
		out[i].Need = out[i].Time
		for _, later := range out[i+1 : min(i+200, len(out))] {
			out[i].Need = min(out[i].Need, later.Time)
		}
	}
	return out
}

func TestIndexFile_ReadsAnySlice(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 5000} {
		x := indexOf(n, uint64(n))
		f, err := x.File()
		if err != nil {
			t.Fatal(err)
		}
		if f.Count() != n || f.Length() != x.Length() {
			t.Errorf("%d packets of %v, want %d of %v", f.Count(), f.Length(), n, x.Length())
		}
		want := withNeeds(x.Packets)
		r := rand.New(rand.NewPCG(7, uint64(n)))
		for range 20 {
			from := r.IntN(n + 1)
			to := from + r.IntN(n-from+1)
			got := []media.Packet{}
			for p, err := range f.Packets(from, to) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p)
			}
			if diff := cmp.Diff(want[from:to], got, cmp.Transformer("", func(p []media.Packet) []media.Packet { return append([]media.Packet{}, p...) })); n > 0 && diff != "" {
				t.Fatalf("packets %d to %d of %d (-want +got):\n%.2000s", from, to, n, diff)
			}
		}
	}
}

func TestIndexFile_RefusesDamage(t *testing.T) {
	x := indexOf(3000, 1)
	b, err := x.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var y media.Index
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x40
		if i%97 == 0 && y.UnmarshalBinary(bad) == nil {
			t.Errorf("a flipped bit in byte %d is not noticed", i)
		}
		if i%499 == 0 && y.UnmarshalBinary(b[:i]) == nil {
			t.Errorf("an index of %d of %d bytes is taken", i, len(b))
		}
	}
}

// An index that an earlier version of the program stored beside a recording is read for as long as the recording is kept.
func TestOpenIndex_ReadsVersion1(t *testing.T) {
	text, err := os.ReadFile("testdata/index-v1.hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := media.OpenIndex(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := media.Index{Codec: "opus", Private: []byte("OpusHead"), CodecDelay: 6500 * time.Microsecond, Rate: 48000, Channels: 2, Size: 900, Truncated: true}
	if diff := cmp.Diff(want, f.Track()); diff != "" {
		t.Errorf("track (-want +got):\n%s", diff)
	}
	var got []media.Packet
	for p, err := range f.Packets(0, f.Count()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	ms := time.Millisecond
	packets := []media.Packet{
		{Time: 0, Duration: 20 * ms, Pos: 100, Size: 80, Key: true},
		{Time: 20 * ms, Need: 20 * ms, Duration: 20 * ms, Pos: 187, Size: 90, Key: true},
		{Time: 500 * ms, Need: 500 * ms, Duration: 60 * ms, Pos: 284, Size: 300, Key: true},
	}
	if diff := cmp.Diff(packets, got); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}

func FuzzOpenIndex(f *testing.F) {
	for _, n := range []int{0, 3, 1500} {
		b, err := indexOf(n, 3).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var x media.Index
		if x.UnmarshalBinary(b) != nil {
			return
		}
		for i, p := range x.Packets {
			if p.Pos < 0 || p.Size < 0 || p.Size > media.MaxPacketSize || p.Pos+int64(p.Size) > x.Size || p.Time < 0 || p.Duration < 0 || p.Need < 0 || p.Need > p.Time {
				t.Fatalf("packet %d: %+v", i, p)
			}
		}
	})
}
