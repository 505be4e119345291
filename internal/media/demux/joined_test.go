package demux

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/media"
)

const (
	recordVP8  = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 800k -g 12 "
	recordH264 = "-c:v libx264 -preset ultrafast -bf 2 -crf 20 -g 12 -pix_fmt yuv420p "
	recordOpus = "-c:a libopus -ac 1 "
)

// joinable are files as recorders write them, each of which is the first or the second of two that are joined.
var joinable = map[string]string{
	"webm":       "-map 0 -map 1 " + recordVP8 + recordOpus + "-f webm",
	"live":       "-map 1 -map 0 " + recordVP8 + "-c:a libopus -ac 2 -f webm -live 1",
	"mkv":        "-map 0 -map 1 " + recordH264 + "-c:a aac -f matroska",
	"mp4":        "-map 0 -map 1 " + recordH264 + "-c:a aac -f mp4",
	"faststart":  "-map 1 -map 0 " + recordH264 + "-c:a aac -ar 44100 -movflags faststart -f mp4",
	"fragmented": "-map 0 -map 1 " + recordH264 + "-c:a aac -movflags frag_keyframe+delay_moov+default_base_moof -f mp4",
	"offsets":    "-map 0 -map 1 " + recordH264 + recordOpus + "-movflags frag_keyframe+empty_moov -f mp4",
	"ogg":        "-map 1 " + recordOpus + "-f ogg",
	"ogg_stereo": "-map 1 -c:a libopus -ac 2 -application lowdelay -f ogg",
}

func indexOf(t *testing.T, file []byte, kind roomreel.TrackKind) *media.Index {
	t.Helper()
	x, _, err := ReadIndex(bytes.NewReader(file), int64(len(file)), kind)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// A file that was cut anywhere, and to which another was appended, gives what both hold: the packets of the first that are whole,
// and all of the second, with its own headers, at the distances that they have there.
func TestReadIndex_ReadsWhatIsAppendedToATruncatedFile(t *testing.T) {
	files := map[string][]byte{}
	for name, args := range joinable {
		files[name] = ffmpeg(t, "file", "-bitexact -f lavfi -i testsrc2=size=320x240:rate=25:d=2 -f lavfi -i sine=440:d=2:r=48000 "+args)
	}
	random := rand.New(rand.NewPCG(7, 8))
	junk := make([]byte, 5000)
	for i := range junk {
		junk[i] = byte(random.Uint32())
	}
	for _, pair := range [][2]string{
		{"webm", "webm"},
		{"webm", "mkv"},
		{"live", "webm"},
		{"mkv", "live"},
		{"mp4", "faststart"},
		{"faststart", "mp4"},
		{"fragmented", "offsets"},
		{"offsets", "fragmented"},
		{"fragmented", "mp4"},
		{"mp4", "fragmented"},
		{"ogg", "ogg_stereo"},
	} {
		t.Run(pair[0]+"_"+pair[1], func(t *testing.T) {
			t.Parallel()
			first, second := files[pair[0]], files[pair[1]]
			for _, kind := range []roomreel.TrackKind{roomreel.Video, roomreel.Audio} {
				if kind == roomreel.Video && pair[0] == "ogg" {
					continue
				}
				whole, alone := indexOf(t, first, kind), indexOf(t, second, kind)
				for cut := 4096; cut < len(first)+4096; cut += 4096 {
					cut := min(cut, len(first))
					for _, between := range [][]byte{nil, junk} {
						if between != nil && cut%3 != 0 && cut < len(first) {
							continue
						}
						file := append(append(bytes.Clone(first[:cut]), between...), second...)
						checkAppended(t, fmt.Sprintf("%s cut at %d, %d bytes between", kind, cut, len(between)), file, cut, len(between), kind, whole, alone)
					}
				}
			}
		})
	}
}

func checkAppended(t *testing.T, name string, file []byte, cut, between int, kind roomreel.TrackKind, whole, alone *media.Index) {
	t.Helper()
	x := indexOf(t, file, kind)
	origin := int64(cut + between)
	kept := 0
	for kept < len(x.Packets) && x.Packets[kept].Pos < origin {
		p := x.Packets[kept]
		if end := p.Pos + int64(p.Size); end > origin { // where junk begins, no reader can tell
			t.Errorf("%s: packet %d reaches to byte %d", name, kept, end)
		}
		if d := p.Time - whole.Packets[kept].Time; d.Abs() > time.Millisecond {
			t.Errorf("%s: packet %d is at %v, and at %v in the first file", name, kept, p.Time, whole.Packets[kept].Time)
			break
		}
		kept++
	}
	rest := x.Packets[kept:]
	if len(rest) != len(alone.Packets) {
		t.Errorf("%s: %d packets of the second file, want %d (%d before)", name, len(rest), len(alone.Packets), kept)
		return
	}
	for i, p := range rest {
		q := alone.Packets[i]
		late := rest[len(rest)-1].Time - alone.Packets[len(rest)-1].Time // the first few may wait for the end of the first file
		off := p.Time - q.Time - late
		if p.Pos != q.Pos+origin || p.Size != q.Size || off > time.Millisecond && (i > 2 || off > 30*time.Millisecond) || off < -time.Millisecond {
			t.Errorf("%s: packet %d of the second file is %+v, and there %+v", name, i, p, q)
			return
		}
	}
	last := x.Headers(x.Part(len(x.Packets) - 1))
	if last.Codec != alone.Codec || !bytes.Equal(last.Private, alone.Private) || last.Rate != alone.Rate || last.CodecDelay != alone.CodecDelay {
		t.Errorf("%s: the second file is read as %s with headers %x, want %s with %x", name, last.Codec, last.Private, alone.Codec, alone.Private)
	}
	if kept > 0 && x.Part(kept-1) == x.Part(kept) && (kind == roomreel.Audio || x.Codec != alone.Codec || !rest[0].Key) {
		t.Errorf("%s: the second file is no part of its own", name)
	}
}
