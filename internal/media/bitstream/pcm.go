package bitstream

// pcm says how the samples of a codec lie in its packets: so many samples of one channel in so many bytes.
var pcm = map[string]struct{ samples, bytes int64 }{
	"pcmu": {1, 1}, "pcma": {1, 1}, "g722": {2, 1}, "pcm_s16le": {1, 2}, "pcm_s16be": {1, 2}, "pcm_f32le": {1, 4},
}

// PCMSamples returns how many samples a packet of so many bytes holds for each channel, and whether the codec is one whose packets
// have nothing but samples of a constant size.
func PCMSamples(codec string, size int64, channels int) (samples int64, ok bool) {
	p, ok := pcm[codec]
	if !ok {
		return 0, false
	}
	return size * p.samples / (p.bytes * int64(max(channels, 1))), true
}

// G722Rate is the sample rate of G.722. Recorders may write 8000, which is the rate of its RTP clock (RFC 3551, 4.5.2).
const G722Rate = 16000
