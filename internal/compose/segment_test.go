package compose

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

func openStore(t *testing.T) blob.Store {
	t.Helper()
	store, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestSegment_ReadBackAsWritten(t *testing.T) {
	store := openStore(t)
	var objects []*openedSegment
	var want bytes.Buffer
	for chunk := range 2 {
		key := fmt.Sprint("chunk-", chunk)
		w := newSegmentWriter(t.Context(), store, key, protocol.Header{Private: []byte("headers"), Delay: 1024})
		for i, pts := range []int64{0, 2, 1, 3} {
			data := bytes.Repeat([]byte{byte(10*chunk + i)}, 100*i)
			want.Write(data)
			if err := w.add(protocol.Packet{PTS: pts, Len: 1, Key: i == 0, Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		segment, err := w.commit()
		if err != nil {
			t.Fatal(err)
		}
		p, err := openSegment(t.Context(), store, segment)
		if err != nil {
			t.Fatal(err)
		}
		if string(p.private) != "headers" || p.delay != 1024 || len(p.samples) != 4 || !p.samples[0].Key || p.samples[1].Key {
			t.Errorf("chunk %d: %+v", chunk, p)
		}
		if got := fmt.Sprint(p.order); got != "[0 1 -1 0]" {
			t.Errorf("chunk %d: order %s", chunk, got)
		}
		objects = append(objects, p)
	}
	all := newPayloads(t.Context(), store, objects...)
	defer all.Close()
	got, err := io.ReadAll(all)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("payloads: %d bytes, %v; want %d", len(got), err, want.Len())
	}
}

func TestSegment_AbortStoresNothing(t *testing.T) {
	store := openStore(t)
	w := newSegmentWriter(t.Context(), store, "chunk", protocol.Header{})
	if err := w.add(protocol.Packet{Len: 1, Data: []byte("frame")}); err != nil {
		t.Fatal(err)
	}
	w.abort()
	if info, err := store.Stat(t.Context(), "chunk"); err == nil {
		t.Errorf("an abandoned object was stored: %+v", info)
	}
}

func TestSegment_DamageIsAnError(t *testing.T) {
	store := openStore(t)
	w := newSegmentWriter(t.Context(), store, "whole", protocol.Header{Private: []byte("p")})
	for i := range 3 {
		if err := w.add(protocol.Packet{PTS: int64(i), Len: 1, Key: true, Data: []byte("0123456789")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.commit(); err != nil {
		t.Fatal(err)
	}
	body, err := store.Get(t.Context(), "whole", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(body)
	body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if _, err := store.Put(t.Context(), "cut", bytes.NewReader(whole[:cut]), int64(cut), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if p, err := openSegment(t.Context(), store, Segment{Key: "cut", Size: int64(cut)}); err == nil {
			t.Fatalf("cut to %d of %d bytes it reads as %d packets", cut, len(whole), len(p.samples))
		}
	}
}

// A store that fails in the middle must fail the writer, not hang it.
func TestSegment_StoreFailureEndsTheWriter(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newSegmentWriter(ctx, openStore(t), "chunk", protocol.Header{})
	cancel()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = w.add(protocol.Packet{Len: 1, Data: bytes.Repeat([]byte("x"), 1<<16)})
	}
	if err == nil {
		_, err = w.commit()
	} else {
		w.abort()
	}
	if err == nil {
		t.Error("a store that was cancelled took all packets")
	}
}

// recordingOf makes a recording whose packets hold one byte each, their letter, at the given times.
func recordingOf(t *testing.T, times ...time.Duration) Recording {
	t.Helper()
	x := &media.Index{Codec: "vp8", Video: true}
	var file strings.Builder
	for i, at := range times {
		x.Packets = append(x.Packets, media.Packet{Time: at, Pos: int64(i), Size: 1, Key: i == 0})
		file.WriteByte(byte('a' + i))
	}
	x.Size = int64(len(times))
	index, err := x.File()
	if err != nil {
		t.Fatal(err)
	}
	return Recording{index, strings.NewReader(file.String())}
}

func TestFeed_GivesPacketsWhenTheyAreNeeded(t *testing.T) {
	const ms = time.Millisecond
	plain := recordingOf(t, 0, 40*ms, 80*ms, 120*ms)
	reordered := recordingOf(t, 0, 120*ms, 40*ms, 80*ms) // as with B-frames
	stalled := recordingOf(t, 0, 20*ms)                  // its second packet is 80 ms later
	var f feed
	defer f.Close()
	f.add(0, 0, timeline.Clock{}, plain, [][2]int{{0, 2}, {3, 4}})
	f.add(1, 10*ms, timeline.Clock{}, reordered, [][2]int{{0, 4}})
	f.add(2, 1*ms, timeline.Clock{StallAt: 20 * ms, Stall: 80 * ms}, stalled, [][2]int{{0, 2}})
	var got []string
	last := time.Duration(-1)
	for {
		p, err := f.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Need < last || p.Need > p.Time {
			t.Errorf("packet %s of track %d: needed at %v after %v, shown at %v", p.Data, p.Track, p.Need, last, p.Time)
		}
		last = p.Need
		got = append(got, fmt.Sprintf("%d%s", p.Track, p.Data))
	}
	want := "0a 2a 1a 0b 1b 1c 1d 2b 0d"
	if strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
}

// Whatever the samples are, of one channel, mono on both sides or not, they come back to the bit.
func TestSamples_SurvivePacking(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, frames := range []int{0, 1, 480, 4800} {
		for name, right := range map[string]func(left float32) float32{
			"one_channel": nil, "mono": func(left float32) float32 { return left }, "stereo": func(float32) float32 { return r.Float32() },
			"nearly_mono": func(left float32) float32 {
				if left > 0.999 {
					return -left
				}
				return left
			},
		} {
			var data []byte
			channels := mono
			for range frames {
				left := r.Float32()
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(left))
				if right != nil {
					channels = stereo
					data = binary.LittleEndian.AppendUint32(data, math.Float32bits(right(left)))
				}
			}
			packed := packSamples(data, channels)
			got, err := unpackSamples(packed, frames, channels)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s of %d: %d bytes come back, %v", name, frames, len(got), err)
			}
			for i := range packed {
				if _, err := unpackSamples(packed[:i], frames, channels); err == nil && frames > 0 {
					t.Fatalf("%s of %d: cut to %d of %d bytes they are taken", name, frames, i, len(packed))
				}
			}
		}
	}
}
