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

// videoEncoder returns what encodes the video of a film. A device encodes H.264 of Draft and Standard. Archive and Small are for looks and
// size, in which encoders of hardware are worse, and no usual hardware has VP8.
func videoEncoder(p Policy, device string, format roomreel.Format, canvas layout.Size, fps int) protocol.Encoder {
	video := protocol.Encoder{Codec: "vp8", Options: vp8[p], Bitrate: vp8Bitrate(canvas, fps)}
	if format == roomreel.MP4 {
		video = protocol.Encoder{Codec: "h264", Options: x264[p], Repeat: true}
	}
	video.GOP = keyframeSeconds * fps
	if p == Small {
		video = protocol.Encoder{Codec: SmallCodec, Options: svtav1, GOP: smallKeyframeSeconds * fps}
	}
	if options := devices[device]; options != nil && video.Codec == "h264" && (p == Draft || p == Standard) {
		video.Device, video.Options, video.Repeat = device, options, false
	}
	video.Threads = 1
	return video
}

// audioEncoder returns what encodes the audio of a film, for all policies. The options were chosen on speech. AAC's are quicker than
// libavcodec's default and better at the same size. Opus's make 5 % more bytes of mono, and of stereo 15 %, which are worse besides:
// stereo has the defaults. docs/performance.md has the figures.
func audioEncoder(format roomreel.Format, channels int) protocol.Encoder {
	if format == roomreel.MP4 {
		return protocol.Encoder{Codec: "aac", Options: map[string]string{"aac_coder": "fast", "aac_tns": "0"}, Bitrate: 96_000, Channels: channels}
	}
	audio := protocol.Encoder{Codec: "opus", Bitrate: 64_000, Channels: channels}
	if channels == 1 {
		audio.Options = map[string]string{"compression_level": "5"}
	}
	return audio
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

// The options were chosen by bench/tune; docs/performance.md has the figures. x264 gives frames of each type a fixed quantizer: that costs
// half of what planning costs by looking ahead (crf, mbtree), and two thirds of its instructions. Seven B-frames between two others get coarser quantizers,
// since no frame, or only other B-frames, are predicted from them.
var (
	x264 = map[Policy]map[string]string{
		Draft:    {"preset": "ultrafast", "qp": "25", "x264-params": "cabac=1:ipratio=1.2:pbratio=2.5:" + sevenBs},
		Standard: {"preset": "superfast", "qp": "23", "x264-params": "ipratio=1.4:pbratio=3:" + sevenBs},
		Archive:  {"preset": "medium", "crf": "22"},
	}
	// A negative cpu-used is a fixed speed. A positive one in realtime follows the clock, and no two films are the same.
	vp8 = map[Policy]map[string]string{
		Draft:    {"deadline": "realtime", "cpu-used": "-12", "static-thresh": "300", "qmax": "44"},
		Standard: {"deadline": "realtime", "cpu-used": "-6", "static-thresh": "100", "qmax": "40"},
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

const sevenBs = "bframes=7:b-adapt=0:weightb=1:weightp=0:scenecut=0"
