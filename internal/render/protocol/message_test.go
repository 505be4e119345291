package protocol

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzMessage checks that reading ends whatever arrives, and that a message that was parsed is the same after it is written
// and parsed again.
func FuzzMessage(f *testing.F) {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	writePacket(w, Packet{Track: 3, Time: -time.Second, Need: -2 * time.Second, PTS: 7, Len: 1, Key: true, Last: true, Data: []byte("data")})
	writeHeader(w, Header{Private: []byte("private"), Delay: 1024})
	writeNumber(w, kindProgress, 1<<40)
	writeMessage(w, kindEnd, nil, nil)
	w.Flush()
	f.Add(b.Bytes())
	f.Add([]byte("D\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		for {
			kind, body, err := readMessage(r)
			if err != nil {
				return
			}
			var again bytes.Buffer
			w := bufio.NewWriter(&again)
			switch kind {
			case kindPacket:
				p, err := parsePacket(body)
				if err != nil {
					continue
				}
				writePacket(w, p)
				w.Flush()
				_, body, err := readMessage(bufio.NewReader(&again))
				if err != nil {
					t.Fatal(err)
				}
				q, err := parsePacket(body)
				if diff := cmp.Diff(p, q); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
			case kindHeader:
				h, err := parseHeader(body)
				if err != nil {
					continue
				}
				writeHeader(w, h)
				w.Flush()
				_, body, _ := readMessage(bufio.NewReader(&again))
				q, err := parseHeader(body)
				if diff := cmp.Diff(h, q); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
			case kindChunk, kindProgress:
				parseNumber(body)
			}
		}
	})
}

func TestMessage_LengthAloneCostsNoMemory(t *testing.T) {
	cost := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := bufio.NewReaderSize(bytes.NewReader([]byte("D\x00\x00\x00\x01")), 16) // 16 MiB announced, none sent
			if _, _, err := readMessage(r); err != io.ErrUnexpectedEOF {
				b.Fatal(err)
			}
		}
	})
	if cost.AllocedBytesPerOp() > 2<<20 {
		t.Errorf("%d bytes", cost.AllocedBytesPerOp())
	}
}

func BenchmarkPacket(b *testing.B) {
	w := bufio.NewWriterSize(io.Discard, BufferSize)
	p := Packet{Data: make([]byte, 80)} // an Opus packet
	b.ReportAllocs()
	for b.Loop() {
		if err := writePacket(w, p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestServe_RefusesPlansThatAreNone(t *testing.T) {
	for name, in := range map[string]string{
		"empty":  "",
		"packet": "D\x00\x00\x00\x00",
		"both":   "P\x1b\x00\x00\x00" + `{"video":{},"audio":{}}    `,
		"json":   "P\x01\x00\x00\x00{",
		"cut":    "P\xff\x00\x00\x00{",
	} {
		t.Run(name, func(t *testing.T) {
			err := Serve(strings.NewReader(in), io.Discard, nil, func(Plan, *Conn) (Stats, error) {
				t.Error("was called")
				return Stats{}, nil
			})
			if err == nil || !strings.Contains(err.Error(), "read plan") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInheritPage_NeedsAParent(t *testing.T) {
	if _, err := InheritPage(); !errors.Is(err, ErrNoPage) {
		t.Errorf("got %v", err)
	}
}
