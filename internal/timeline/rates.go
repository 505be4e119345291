package timeline

import "time"

// SampleRate is the audio rate of every film in samples per second, and the only rate at which Opus is decoded. Audio is
// resampled only if it was recorded at another rate or if the sender's clock drifted.
const SampleRate = 48000

// FrameTime returns the output time of frame n at fps frames per second, rounded down to a nanosecond. n and fps must
// not be negative, and fps not 0.
func FrameTime(n, fps int) time.Duration {
	return time.Duration(n/fps)*time.Second + time.Duration(n%fps)*time.Second/time.Duration(fps)
}

// FrameAt returns the first frame whose time is at or after t. It is the inverse of FrameTime:
// FrameAt(FrameTime(n, fps), fps) == n. A time before 0 has frame 0.
func FrameAt(t time.Duration, fps int) int { return Frames(t, fps) }

// Frames returns how many frames an output of the given length has. The last one begins before the end, so an output
// that is not empty has at least one. It is 0 when the length or fps is not positive.
func Frames(length time.Duration, fps int) int {
	if length <= 0 || fps <= 0 {
		return 0
	}
	whole, rest := int64(length/time.Second), int64(length%time.Second)
	return int(whole)*fps + int((rest*int64(fps)+int64(time.Second)-1)/int64(time.Second))
}

// Samples returns how many samples audio of the given length has, rounded to the nearest. No length overflows.
func Samples(length time.Duration) int64 {
	const second = int64(time.Second)
	whole, rest := int64(length)/second, int64(length)%second
	half := second / 2
	if rest < 0 {
		half = -half
	}
	return whole*SampleRate + (rest*SampleRate+half)/second
}

// SampleTime returns when sample n is heard, rounded down to a nanosecond. It is the inverse of Samples:
// Samples(SampleTime(n)) == n.
func SampleTime(n int64) time.Duration {
	return time.Duration(n/SampleRate)*time.Second + time.Duration(n%SampleRate)*time.Second/SampleRate
}
