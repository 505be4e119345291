package render

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzFrame claims: whatever arrives, reading ends, allocates no more than arrives plus a step, and what parses is
// written back so that it parses the same.
func FuzzFrame(f *testing.F) {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	writePacket(w, Packet{Track: 3, Time: -time.Second, Need: -2 * time.Second, PTS: 7, DTS: -7, Len: 1, Key: true, Data: []byte("data")})
	writeHeader(w, Header{Private: []byte("private"), Delay: 1024})
	writeNumber(w, frameProgress, 1<<40)
	writeFrame(w, frameEnd, nil, nil)
	w.Flush()
	f.Add(b.Bytes())
	f.Add([]byte("D\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		for {
			kind, body, err := readFrame(r)
			if err != nil {
				return
			}
			var again bytes.Buffer
			w := bufio.NewWriter(&again)
			switch kind {
			case framePacket:
				p, err := parsePacket(body)
				if err != nil {
					continue
				}
				writePacket(w, p)
				w.Flush()
				_, body, err := readFrame(bufio.NewReader(&again))
				if err != nil {
					t.Fatal(err)
				}
				q, err := parsePacket(body)
				if diff := cmp.Diff(p, q); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
			case frameHeader:
				h, err := parseHeader(body)
				if err != nil {
					continue
				}
				writeHeader(w, h)
				w.Flush()
				_, body, _ := readFrame(bufio.NewReader(&again))
				q, err := parseHeader(body)
				if diff := cmp.Diff(h, q); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
			case frameChunk, frameProgress:
				parseNumber(body)
			}
		}
	})
}

func TestFrame_LengthAloneCostsNoMemory(t *testing.T) {
	cost := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := bufio.NewReaderSize(bytes.NewReader([]byte("D\x00\x00\x00\x01")), 16) // 16 MiB announced, none sent
			if _, _, err := readFrame(r); err != io.ErrUnexpectedEOF {
				b.Fatal(err)
			}
		}
	})
	if cost.AllocedBytesPerOp() > 2<<20 {
		t.Errorf("%d bytes", cost.AllocedBytesPerOp())
	}
}

func BenchmarkPacket(b *testing.B) {
	w := bufio.NewWriterSize(io.Discard, bufferSize)
	p := Packet{Data: make([]byte, 80)} // an Opus packet
	b.ReportAllocs()
	for b.Loop() {
		if err := writePacket(w, p); err != nil {
			b.Fatal(err)
		}
	}
}
