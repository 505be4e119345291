package plan

import (
	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

// Policy is a point between speed and size.
type Policy string

const (
	Draft    Policy = "draft"    // quickest
	Standard Policy = "standard" // the default
	Archive  Policy = "archive"  // smallest for its quality
)

// keyframeSeconds bounds how far a player has to seek, and how long a chunk's first frame is the only entry point.
const keyframeSeconds = 4

// encoders returns what encodes the video and the audio of a film.
func (p Policy) encoders(format roomreel.Format, canvas layout.Size, fps int) (video, audio protocol.Encoder) {
	if format == roomreel.MP4 {
		video = protocol.Encoder{Codec: "h264", Options: x264[p]}
		audio = protocol.Encoder{Codec: "aac", Bitrate: 96_000}
	} else {
		video = protocol.Encoder{Codec: "vp8", Options: vp8[p], Bitrate: vp8Bitrate(canvas, fps)}
		audio = protocol.Encoder{Codec: "opus", Bitrate: 64_000}
	}
	video.GOP = keyframeSeconds * fps
	video.Threads = 1
	return video, audio
}

// colour returns what the samples of a film mean: BT.709 from 1280 columns or 720 rows on, else BT.601. Where films do not say it,
// Chromium and Firefox expect BT.709 from 720 rows on, and mpv also from 1280 columns on. VP8 has BT.601 only (RFC 6386, 9.2), and
// players that use libavcodec know no other, whatever the container says.
func colour(format roomreel.Format, canvas layout.Size) media.Colour {
	if format == roomreel.MP4 && (canvas.W >= 1280 || canvas.H >= 720) {
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
)

const sevenBs = "bframes=7:b-adapt=0:weightb=0:weightp=0:scenecut=0"
