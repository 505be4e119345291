package plan

import (
	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

// Policy chooses encoders and their settings.
type Policy = roomreel.Quality

const (
	Draft    = roomreel.QualityDraft
	Standard = roomreel.QualityStandard
	Archive  = roomreel.QualityArchive
	Small    = roomreel.QualitySmall
)

// SmallCodec is the codec of Small, in both containers.
const SmallCodec = "av1"

// smallestAV1 is the shortest side that SVT-AV1 takes, in pixels.
const smallestAV1 = 64

// CheckQuality refuses a film that is too small for its quality. The error is a *roomreel.Error that names Resolution.
func CheckQuality(p Policy, size layout.Size) error {
	if p == Small && min(size.W, size.H) < smallestAV1 {
		return roomreel.InvalidParam("Resolution", "%v is too small for the quality small, which needs at least %d pixels on each side", size, smallestAV1)
	}
	return nil
}

// keyframeSeconds bounds how far a player has to seek, and how long a chunk's first frame is the only entry point. Small films
// are kept more than they are played, and keyframes are most of what a quiet room costs.
const (
	keyframeSeconds      = 4
	smallKeyframeSeconds = 10
)

// encoders returns what encodes the video and the audio of a film. A device encodes H.264 of Draft and Standard. Archive and Small are
// for looks and size, in which encoders of hardware are worse, and no usual hardware has VP8.
func encoders(p Policy, device string, format roomreel.Format, canvas layout.Size, fps int) (video, audio protocol.Encoder) {
	if format == roomreel.MP4 {
		video = protocol.Encoder{Codec: "h264", Options: x264[p]}
		audio = protocol.Encoder{Codec: "aac", Bitrate: 96_000}
	} else {
		video = protocol.Encoder{Codec: "vp8", Options: vp8[p], Bitrate: vp8Bitrate(canvas, fps)}
		audio = protocol.Encoder{Codec: "opus", Bitrate: 64_000}
	}
	video.GOP = keyframeSeconds * fps
	if p == Small {
		video = protocol.Encoder{Codec: SmallCodec, Options: svtav1, GOP: smallKeyframeSeconds * fps}
	}
	if options := devices[device]; options != nil && video.Codec == "h264" && (p == Draft || p == Standard) {
		video.Device, video.Options = device, options
	}
	video.Threads = 1
	return video, audio
}

// colour returns what the samples of a film of the given codec mean: BT.709 from 1280 columns or 720 rows on, else BT.601. Where films do not say it,
// Chromium and Firefox expect BT.709 from 720 rows on, and mpv also from 1280 columns on. VP8 has BT.601 only (RFC 6386, 9.2), and
// players that use libavcodec know no other, whatever the container says.
func colour(codec string, canvas layout.Size) media.Colour {
	if codec != "vp8" && (canvas.W >= 1280 || canvas.H >= 720) {
		return media.BT709
	}
	return media.BT601
}

// vp8Bitrate is what webcam footage needs at the given size: 1.5 Mbit/s at 1280x720 and 25 frames per second, and
// less than in proportion below that.
func vp8Bitrate(canvas layout.Size, fps int) int {
	const reference = 1280 * 720 * 25
	share := float64(canvas.W*canvas.H*fps) / reference
	return max(100_000, int(1_500_000*(0.25+0.75*share)*min(1, share*4)))
}

// The options were chosen on webcam footage; docs/performance.md has the figures.
var (
	x264 = map[Policy]map[string]string{
		Draft: {"preset": "ultrafast", "crf": "24", "x264-params": "cabac=1:mbtree=1:rc-lookahead=10:aq-mode=2"},
		Standard: {
			"preset": "superfast", "crf": "24",
			"x264-params": "mbtree=1:rc-lookahead=20:bframes=3:b-adapt=0:weightp=0:scenecut=0:aq-mode=2",
		},
		Archive: {"preset": "medium", "crf": "22"},
	}
	vp8 = map[Policy]map[string]string{
		Draft:    {"deadline": "realtime", "cpu-used": "16"},
		Standard: {"deadline": "good", "cpu-used": "5"},
		Archive:  {"deadline": "good", "cpu-used": "2"},
	}

	// Nothing was measured on hardware: these are the constant quality that is nearest to Standard.
	devices = map[string]map[string]string{
		"vaapi": {"rc_mode": "CQP", "qp": "26"},
		"nvenc": {"preset": "p4", "rc": "vbr", "cq": "26"},
	}

	// lp is how many threads SVT-AV1 has for each of its stages.
	svtav1 = map[string]string{"preset": "8", "crf": "40", "svtav1-params": "lp=1"}
)
