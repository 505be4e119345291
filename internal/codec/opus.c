#include "codec.h"

// libavutil's number of an error of libopus, as libavcodec gives it.
static int averror(int opus)
{
	switch (opus) {
	case OPUS_BAD_ARG: return AVERROR(EINVAL);
	case OPUS_INVALID_PACKET: return AVERROR_INVALIDDATA;
	case OPUS_ALLOC_FAIL: return AVERROR(ENOMEM);
	default: return AVERROR_EXTERNAL;
	}
}

// gain is the output gain of the header, in 1/256 dB.
int rr_open_opus_decoder(OpusDecoder **out, int channels, int gain)
{
	int err;
	*out = opus_decoder_create(48000, channels, &err);
	if (err >= 0)
		err = opus_decoder_ctl(*out, OPUS_SET_GAIN(gain));
	if (err >= 0)
		return 0;
	if (*out)
		opus_decoder_destroy(*out);
	*out = NULL;
	return averror(err);
}

int rr_decode_opus(OpusDecoder *d, const uint8_t *data, int size, float *samples, int room)
{
	int n = opus_decode_float(d, data, size, samples, room, 0);
	return n < 0 ? averror(n) : n;
}

int rr_open_opus_encoder(OpusEncoder **out, int channels, int bitrate, int complexity, int *delay)
{
	int err;
	*out = opus_encoder_create(48000, channels, OPUS_APPLICATION_AUDIO, &err);
	if (err >= 0 && bitrate > 0)
		err = opus_encoder_ctl(*out, OPUS_SET_BITRATE(bitrate));
	if (err >= 0)
		err = opus_encoder_ctl(*out, OPUS_SET_COMPLEXITY(complexity));
	if (err >= 0)
		err = opus_encoder_ctl(*out, OPUS_SET_VBR_CONSTRAINT(0)); // as libavcodec does
	if (err >= 0)
		err = opus_encoder_ctl(*out, OPUS_GET_LOOKAHEAD(delay));
	if (err >= 0)
		return 0;
	if (*out)
		opus_encoder_destroy(*out);
	*out = NULL;
	return averror(err);
}

int rr_encode_opus(OpusEncoder *e, const float *samples, int n, uint8_t *packet, int room)
{
	int size = opus_encode_float(e, samples, n, packet, room);
	return size < 0 ? averror(size) : size;
}
