package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"roomreel/internal/blob"
	"roomreel/internal/blob/dir"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

func openWork(t *testing.T) blob.Store {
	t.Helper()
	work, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	return work
}

func TestPackets_ReadBackAsWritten(t *testing.T) {
	work := openWork(t)
	var objects []*packets
	var want bytes.Buffer
	for chunk := range 2 {
		key := fmt.Sprint("chunk-", chunk)
		w := newPacketsWriter(t.Context(), work, key, protocol.Header{Private: []byte("headers"), Delay: 1024})
		for i, pts := range []int64{0, 2, 1, 3} {
			data := bytes.Repeat([]byte{byte(10*chunk + i)}, 100*i)
			want.Write(data)
			if err := w.add(protocol.Packet{PTS: pts, Len: 1, Key: i == 0, Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.commit(); err != nil {
			t.Fatal(err)
		}
		p, err := openPackets(t.Context(), work, key)
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
	all := &payloads{ctx: t.Context(), store: work, rest: objects}
	defer all.Close()
	got, err := io.ReadAll(all)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("payloads: %d bytes, %v; want %d", len(got), err, want.Len())
	}
}

func TestPackets_AbortStoresNothing(t *testing.T) {
	work := openWork(t)
	w := newPacketsWriter(t.Context(), work, "chunk", protocol.Header{})
	if err := w.add(protocol.Packet{Len: 1, Data: []byte("picture")}); err != nil {
		t.Fatal(err)
	}
	w.abort()
	if info, err := work.Stat(t.Context(), "chunk"); err == nil {
		t.Errorf("an abandoned object was stored: %+v", info)
	}
}

func TestPackets_DamageIsAnError(t *testing.T) {
	work := openWork(t)
	w := newPacketsWriter(t.Context(), work, "whole", protocol.Header{Private: []byte("p")})
	for i := range 3 {
		if err := w.add(protocol.Packet{PTS: int64(i), Len: 1, Key: true, Data: []byte("0123456789")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.commit(); err != nil {
		t.Fatal(err)
	}
	body, err := work.Get(t.Context(), "whole", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(body)
	body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if _, err := work.Put(t.Context(), "cut", bytes.NewReader(whole[:cut]), int64(cut), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if p, err := openPackets(t.Context(), work, "cut"); err == nil {
			t.Fatalf("cut to %d of %d bytes it reads as %d packets", cut, len(whole), len(p.samples))
		}
	}
}

// A store that fails in the middle must fail the writer, not hang it.
func TestPackets_StoreFailureEndsTheWriter(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newPacketsWriter(ctx, openWork(t), "chunk", protocol.Header{})
	cancel()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = w.add(protocol.Packet{Len: 1, Data: bytes.Repeat([]byte("x"), 1<<16)})
	}
	if err == nil {
		err = w.commit()
	} else {
		w.abort()
	}
	if err == nil {
		t.Error("a store that was cancelled took all packets")
	}
}

// track makes a recording whose packets hold one byte each, their number, at the given times.
func feedTrackOf(times ...time.Duration) (Placed, io.ReaderAt) {
	x := &media.Index{Codec: "vp8", Video: true}
	var file strings.Builder
	for i, at := range times {
		x.Packets = append(x.Packets, media.Packet{Time: at, Pos: int64(i), Size: 1, Key: i == 0})
		file.WriteByte(byte('a' + i))
	}
	x.Size = int64(len(times))
	return Placed{Track: Track{Index: x}}, strings.NewReader(file.String())
}

func TestFeed_GivesPacketsWhenTheyAreNeeded(t *testing.T) {
	const ms = time.Millisecond
	plain, plainMedia := feedTrackOf(0, 40*ms, 80*ms, 120*ms)
	reordered, reorderedMedia := feedTrackOf(0, 120*ms, 40*ms, 80*ms) // as with B-frames
	reordered.Shift = 10 * ms
	var f feed
	f.add(0, plain, [][2]int{{0, 2}, {3, 4}}, plainMedia)
	f.add(1, reordered, [][2]int{{0, 4}}, reorderedMedia)
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
	want := "0a 1a 0b 1b 1c 1d 0d"
	if strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
}
