package plan

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/timeline"
)

const ms = time.Millisecond

// solo is a room of a camera and a microphone of 10 s, whose packets a WebM film of 640x480 has.
type solo struct {
	req                Request
	opts               Options
	tracks             []Track
	camera, microphone *media.Index
}

func newSolo(t *testing.T) *solo {
	t.Helper()
	req, opts := parseRequest(t, "format webm\naudio *\nhold 2s\n", `{"all":{"video_sources":["*"]}}`)
	s := &solo{
		req: req, opts: opts,
		tracks:     []Track{{Kind: roomreel.Video, Name: "camera"}, {Kind: roomreel.Audio, Name: "microphone"}},
		camera:     &media.Index{Codec: "vp8", Video: true, Width: 640, Height: 480, Stream: media.Stream{Known: true}},
		microphone: &media.Index{Codec: "opus", Rate: 48000, Channels: 1, CodecDelay: 6500 * time.Microsecond},
	}
	for at := time.Duration(0); at < 10*time.Second; at += 40 * ms {
		p := media.Packet{Time: at, Size: 500, Key: at%(5*time.Second) == 0}
		if p.Key {
			p.Width, p.Height = 640, 480
		}
		s.camera.Packets = append(s.camera.Packets, p)
	}
	for at := time.Duration(0); at < 10*time.Second; at += 20 * ms {
		s.microphone.Packets = append(s.microphone.Packets, media.Packet{Time: at, Size: 80, Key: true, Duration: 20 * ms})
	}
	return s
}

// h264 makes the room one whose packets an mp4 film has. The parameter sets are x264's, High profile.
func (s *solo) h264(t *testing.T) {
	t.Helper()
	s.req.Format = roomreel.MP4
	s.camera.Codec, s.camera.Stream.Sets = "h264", []byte("\x00\x00\x00\x01\x67\x64\x00\x1e\xac\xd9\x40\xa0\x3d\xa1\x00\x00\x03\x00\x01\x00\x00\x03\x00\x32\x0f\x16\x2d\x96\x00\x00\x00\x01\x68\xeb\xe3\xcb\x22\xc0")
	s.microphone.Codec, s.microphone.Private, s.microphone.CodecDelay = "aac", []byte{0x11, 0x88}, 0 // AAC-LC, 48 kHz, mono
}

func (s *solo) plan(t *testing.T) *Plan {
	t.Helper()
	var files []*media.IndexFile
	for i, x := range []*media.Index{s.camera, s.microphone} {
		size := int64(0)
		for k := range x.Packets {
			x.Packets[k].Pos = size
			size += int64(x.Packets[k].Size)
		}
		x.Size = size
		file, err := x.File()
		if err != nil {
			t.Fatal(err)
		}
		if files = append(files, file); i < len(s.tracks) {
			s.tracks[i].Length = file.Length()
		}
	}
	for len(files) < len(s.tracks) {
		files = append(files, files[len(files)-2]) // a second one of the same kind
		s.tracks[len(files)-1].Length = files[len(files)-1].Length()
	}
	p, err := New(s.req, s.tracks, func(i int) (*media.IndexFile, error) { return files[i], nil }, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCopy_IsDecided(t *testing.T) {
	tests := []struct {
		name         string
		change       func(s *solo)
		video, audio string // the beginning of why it is encoded; "" when it is copied
	}{
		{"webm", func(*solo) {}, "", ""},
		{"mp4", func(s *solo) { s.h264(t) }, "", ""},
		{"never", func(s *solo) { s.opts.NoCopy = "compose.copy is never" }, "compose.copy is never", "compose.copy is never"},

		// Who is shown and heard.
		{"two cameras", func(s *solo) { s.tracks = append(s.tracks, Track{Kind: roomreel.Video, Name: "screen"}) }, "recordings are shown in 2 places", ""},
		{"a camera that is not asked for", func(s *solo) {
			s.tracks = append(s.tracks, Track{Kind: roomreel.Video, Name: "screen"})
			s.req.Layout = mustLayout(t, `{"all":{"video_sources":["camera"]}}`)
		}, "", ""},
		{"the camera twice", func(s *solo) {
			s.req.Layout = mustLayout(t, `{"all":{"video_sources":["*"]},"pip":{"video_sources":["*"],"z_pos":1,"width":160,"height":120}}`)
		}, "recordings are shown in 2 places", ""},
		{"a region beside nothing", func(s *solo) {
			s.req.Layout = mustLayout(t, `{"all":{"video_sources":["*"],"width":320}}`)
		}, "its cell has 320x480 of the film's 640x480 pixels", ""},
		{"rows for more", func(s *solo) {
			s.req.Layout = mustLayout(t, `{"all":{"video_sources":["*"],"max_rows":1,"max_columns":1}}`)
		}, "", ""},
		{"another size", func(s *solo) { s.req.Size = layout.Size{W: 1280, H: 720}; s.req.Layout.Canvas = s.req.Size }, "it has frames of 640x480 pixels, and the film has 1280x720", ""},
		{"an odd size", func(s *solo) {
			for i := range s.camera.Packets {
				if s.camera.Packets[i].Key {
					s.camera.Packets[i].Width = 641
				}
			}
		}, "it has frames of 641x480 pixels, and the film has 640x480", ""},
		{"a size that changes", func(s *solo) { s.camera.Packets[125].Width = 320 }, "it has frames of 320x480 pixels, and the film has 640x480", ""},
		{"two microphones", func(s *solo) {
			s.tracks = append(s.tracks, Track{Kind: roomreel.Video, Name: "screen"}, Track{Kind: roomreel.Audio, Name: "other"})
			s.req.Layout = mustLayout(t, `{"all":{"video_sources":["camera"]}}`)
		}, "", "2 recordings are heard"},

		// When.
		{"a late camera", func(s *solo) { s.tracks[0].Offset = 501 * ms }, "it begins 0.501 s after the film", "it ends 0.507 s before the film"},
		{"a camera that is a little late", func(s *solo) { s.tracks[0].Offset = 490 * ms }, "", ""},
		{"a late microphone", func(s *solo) { s.tracks[1].Offset = 501 * ms }, "it ends 0.501 s before the film", "it begins 0.501 s after the film"},
		{"a microphone that is a little late", func(s *solo) { s.tracks[1].Offset = 300 * ms }, "", ""},
		{"a camera that ends early", func(s *solo) { s.camera.Packets = s.camera.Packets[:200] }, "it ends 2.000 s before the film", ""},
		{"a microphone that ends early", func(s *solo) { s.microphone.Packets = s.microphone.Packets[:400] }, "", "it ends 2.006 s before the film"},
		{"a camera that is off", func(s *solo) { s.camera.Packets = append(s.camera.Packets[:60], s.camera.Packets[125:]...) }, "it sends no frame for longer than the last one is held", ""},
		{"a camera that is off and held", func(s *solo) {
			s.opts.Hold = 0
			s.camera.Packets = append(s.camera.Packets[:60], s.camera.Packets[125:]...)
		}, "", ""},
		{"a screen that stands still", func(s *solo) {
			s.tracks[0].Name = "screen"
			s.camera.Packets = append(s.camera.Packets[:60], s.camera.Packets[125:]...)
		}, "", ""},
		{"a gap in the audio", func(s *solo) { s.microphone.Packets = append(s.microphone.Packets[:60], s.microphone.Packets[80:]...) }, "", "it has gaps"},
		{"a clock that drifts", func(s *solo) {
			for i := range s.microphone.Packets {
				s.microphone.Packets[i].Time += s.microphone.Packets[i].Time / 100
			}
		}, "", "it"},
		{"a known end that is later", func(s *solo) { s.tracks[0].Known = 10*time.Second + 50*ms }, "", ""},
		{"frames at the same time", func(s *solo) { s.camera.Packets[7].Time = s.camera.Packets[6].Time }, "its frames are not at times of their own", ""},
		{"frames out of order", func(s *solo) {
			s.camera.Packets[7].Time, s.camera.Packets[6].Time = s.camera.Packets[6].Time, s.camera.Packets[7].Time
		}, "its frames are not at times of their own", ""},
		{"more frames than a film may have", func(s *solo) {
			s.opts.FPS, s.opts.Limits.Frames = 1, 200
		}, "it has 250 frames and a film may have 200 (limits.film_frames)", ""},

		// How it is encoded.
		{"VP9", func(s *solo) { s.camera.Codec = "vp9" }, "it has vp9, and the video of webm is vp8", ""},
		{"WebM's codecs into mp4", func(s *solo) { s.req.Format = roomreel.MP4 }, "it has vp8, and the video of mp4 is h264", "it has opus, and the audio of mp4 is aac"},
		{"parts", func(s *solo) {
			s.camera.Parts = []media.Part{{First: 125, At: 5 * time.Second, Index: media.Index{Codec: "vp8", Video: true}}}
			s.microphone.Parts = []media.Part{{First: 125, At: 5 * time.Second, Index: media.Index{Codec: "opus"}}}
		}, "its headers change", "its headers change"},
		{"truncated files", func(s *solo) { s.camera.Truncated, s.microphone.Truncated = true, true }, "its file is truncated", "its file is truncated"},
		{"damaged timestamps", func(s *solo) { s.camera.Repaired, s.microphone.Repaired = 1, 1 }, "its timestamps are damaged", "its timestamps are damaged"},
		{"an old index", func(s *solo) { s.camera.Stream = media.Stream{} }, "its index was made by an earlier version", ""},
		{"packets that are no stream", func(s *solo) { s.camera.Stream.Why = "some of its frames are not to be shown" }, "some of its frames are not to be shown", ""},
		{"no keyframe at the beginning", func(s *solo) {
			s.camera.Packets[0].Key, s.camera.Packets[0].Width, s.camera.Packets[0].Height = false, 0, 0
		}, "it does not begin with a keyframe", ""},
		{"a huge frame", func(s *solo) { s.camera.Packets[9].Size = 9 << 20 }, "it has a frame of 9437184 bytes", ""},
		{"a turned phone", func(s *solo) { s.camera.Display.Turn = 180 }, "players turn, mirror or crop its frames", ""},
		{"a mirrored camera", func(s *solo) { s.camera.Display.Mirror = true }, "players turn, mirror or crop its frames", ""},
		{"cropped frames", func(s *solo) { s.camera.Display.Crop(640, 480, 2, 0, 2, 0) }, "players turn, mirror or crop its frames", ""},
		{"wide pixels", func(s *solo) { s.camera.Display.Aspect(4, 3) }, "its pixels are not square", ""},
		{"square pixels", func(s *solo) { s.camera.Display.Aspect(1, 1) }, "", ""},
		{"VP8 of BT.709", func(s *solo) { s.camera.Colour = media.BT709 }, "its container gives it other colours than players give VP8", ""},
		{"H.264 of BT.2020", func(s *solo) { s.h264(t); s.camera.Colour = media.Colour{Primaries: 9, Transfer: 16, Matrix: 9} }, "its colours are neither those of BT.601 nor of BT.709", ""},
		{"H.264 of 4:4:4", func(s *solo) { s.h264(t); s.camera.Stream.Sets[5] = 244 }, "it has H.264 of profile 244, which not all browsers play", ""},
		{"H.264 of 10 bits", func(s *solo) { s.h264(t); s.camera.Stream.Sets[5] = 110 }, "it has H.264 of profile 110, which not all browsers play", ""},
		{"two sequences", func(s *solo) {
			s.h264(t)
			s.camera.Stream.Sets = bytes.Repeat(s.camera.Stream.Sets, 2)
		}, "it has not exactly one sequence parameter set that can be read", ""},
		{"H.264 without its sets", func(s *solo) { s.h264(t); s.camera.Stream.Sets = nil }, "it has not exactly one sequence parameter set", ""},
		{"AAC of 44.1 kHz", func(s *solo) { s.h264(t); s.microphone.Private = []byte{0x12, 0x08} }, "", "it is not AAC-LC of 1 or 2 channels at 48000 Hz"},
		{"HE-AAC", func(s *solo) { s.h264(t); s.microphone.Private = []byte{0x2b, 0x11, 0x88, 0x00} }, "", "it is not AAC-LC"},
		{"Opus with a gain", func(s *solo) {
			s.microphone.Private = bitstream.OpusHead{Channels: 1, PreSkip: 312, Gain: 256}.Append(nil)
		}, "", "it has Opus of several streams, or with a gain"},
		{"Opus with 6 channels", func(s *solo) { s.microphone.Channels = 6 }, "", "it has 6 channels"},
		{"a packet without audio", func(s *solo) { s.microphone.Packets[7].Duration = 0 }, "", "it has gaps"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSolo(t)
			test.change(s)
			p := s.plan(t)
			check := func(what string, c *Copy, why, want string) {
				if (c != nil) != (want == "") || (why == "") != (want == "") || !strings.HasPrefix(why, want) {
					t.Errorf("%s: copied %t, %q, want %q", what, c != nil, why, want)
				}
			}
			check("video", p.VideoCopy, p.VideoEncoded, test.video)
			check("audio", p.AudioCopy, p.AudioEncoded, test.audio)
		})
	}
}

func mustLayout(t *testing.T, text string) layout.Layout {
	t.Helper()
	l, err := layout.Parse(text, layout.Size{W: 640, H: 480})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A plan that copies says all that the tasks and the check of the film need.
func TestCopy_IsPlanned(t *testing.T) {
	s := newSolo(t)
	s.tracks[0].Offset, s.tracks[1].Offset = 100*time.Second+250*ms, 100*time.Second
	s.opts.Parallel = 4
	p := s.plan(t)
	stamps := NewStamps(roomreel.WebM)
	for _, packet := range s.camera.Packets {
		stamps.AddUnits((packet.Time + 250*ms).Milliseconds(), packet.Key)
	}
	if d := cmp.Diff(&Copy{Start: 12000, Stamps: stamps.Sum(), Bytes: 125000}, p.VideoCopy); d != "" {
		t.Error(d)
	}
	head := bitstream.OpusHead{Channels: 1, PreSkip: 312}.Append(nil)
	if d := cmp.Diff(&Copy{Track: 1, Private: head, Delay: 312, Channels: 1, Bytes: 40000}, p.AudioCopy); d != "" {
		t.Error(d)
	}
	if len(p.Video) != 1 || len(p.Audio) != 1 || p.Video[0].Copy != p.VideoCopy || p.Audio[0].Copy != p.AudioCopy {
		t.Fatalf("%d video tasks, %d audio tasks", len(p.Video), len(p.Audio))
	}
	if p.Frames != 250 || p.Chunks != 1 || p.Samples != timeline.Samples(10*time.Second+250*ms) || p.Length != 10*time.Second+250*ms {
		t.Errorf("%d frames in %d chunks, %d samples, %v", p.Frames, p.Chunks, p.Samples, p.Length)
	}
}

// Chunks of copied video are minutes long, and hold all packets.
func TestCopy_IsCutIntoChunks(t *testing.T) {
	s := newSolo(t)
	s.camera.Packets = nil
	for at := time.Duration(0); at < 25*time.Minute; at += 100 * ms {
		s.camera.Packets = append(s.camera.Packets, media.Packet{Time: at, Size: 500, Key: at == 0})
	}
	s.tracks = s.tracks[:1]
	p := s.plan(t)
	if p.VideoCopy == nil {
		t.Fatal(p.VideoEncoded)
	}
	var got [][2]int
	for _, c := range p.Video[0].Chunks {
		got = append(got, [2]int{c.From, c.To})
	}
	if d := cmp.Diff([][2]int{{0, 6000}, {6000, 12000}, {12000, 15000}}, got); d != "" {
		t.Error(d)
	}
}

// Frames of H.264 are reordered. Their times are those of the recording, whatever the order.
func TestCopy_TakesReorderedFrames(t *testing.T) {
	s := newSolo(t)
	s.h264(t)
	for i := 2; i+1 < len(s.camera.Packets); i += 3 {
		if a, b := &s.camera.Packets[i-1], &s.camera.Packets[i]; !a.Key && !b.Key {
			a.Time, b.Time = b.Time, a.Time
		}
	}
	if p := s.plan(t); p.VideoCopy == nil || p.VideoCopy.Start != 0 || len(p.VideoCopy.Private) == 0 {
		t.Error(p.VideoEncoded)
	}
	s.camera.Packets[100].Time -= 40 * ms * 30 // a frame that is 30 packets late is no frame of a codec
	s.camera.Packets[100].Time += 10 * ms
	if p := s.plan(t); p.VideoCopy != nil {
		t.Error("a frame 30 packets late is copied")
	}
}
