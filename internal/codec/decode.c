#include "codec.h"

#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libavutil/samplefmt.h>
#include <stdlib.h>
#include <string.h>

// note_lost marks a decoder that says that a frame is missing which another one needs. The HEVC decoder puts a grey frame in its place, and
// says so in its log only.
static void note_lost(void *context, int level, const char *format, va_list values)
{
	if (context && strstr(format, "Could not find ref with POC") && *(const AVClass **)context == avcodec_get_class())
		((AVCodecContext *)context)->opaque = context;
	av_log_default_callback(context, level, format, values);
}

void rr_quiet(void)
{
	setenv("SVT_LOG", "1", 1); // SVT-AV1 has a log of its own; 1 is errors only
	av_log_set_level(AV_LOG_FATAL);
	av_log_set_callback(note_lost);
}

// rr_lost reports whether frames were missing since it was asked last.
int rr_lost(AVCodecContext *d)
{
	int lost = d->opaque != NULL;
	d->opaque = NULL;
	return lost;
}

int rr_open_decoder(AVCodecContext **out, const rr_decoder_config *c)
{
	const AVCodec *codec = avcodec_find_decoder_by_name(c->name);
	if (!codec)
		return AVERROR_DECODER_NOT_FOUND;
	AVCodecContext *d = avcodec_alloc_context3(codec);
	if (!d)
		return AVERROR(ENOMEM);
	if (c->extradata_size > 0) {
		d->extradata = av_mallocz(c->extradata_size + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!d->extradata) {
			avcodec_free_context(&d);
			return AVERROR(ENOMEM);
		}
		memcpy(d->extradata, c->extradata, c->extradata_size);
		d->extradata_size = c->extradata_size;
	}
	d->thread_count = 1;
	d->pkt_timebase = (AVRational){1, 1000000000};
	if (codec->type == AVMEDIA_TYPE_AUDIO) {
		d->sample_rate = c->rate;
		d->request_sample_fmt = AV_SAMPLE_FMT_FLT;
		SET_CHANNELS(d, c->channels);
	} else {
		d->max_pixels = c->max_pixels;
		d->flags |= AV_CODEC_FLAG_UNALIGNED; // crop to the pixel, not to the nearest aligned address
		// dav1d keeps back the largest layer of scalable video until the next packet, unless it hands out all layers.
		if (!strcmp(codec->name, "libdav1d"))
			av_opt_set_int(d->priv_data, "alllayers", 1, 0);
	}
	int err = avcodec_open2(d, codec, NULL);
	if (err < 0) {
		avcodec_free_context(&d);
		return err;
	}
	if (codec->id == AV_CODEC_ID_HEVC) // a slice that cannot be decoded is an error; private data with one may do
		d->err_recognition |= AV_EF_EXPLODE;
	*out = d;
	return 0;
}

// rr_send_data with size 0 asks for what the decoder still holds.
int rr_send_data(AVCodecContext *d, AVPacket *p, const uint8_t *data, int size, int64_t pts)
{
	if (size == 0)
		return avcodec_send_packet(d, NULL);
	int err = av_new_packet(p, size); // padded, as decoders demand
	if (err < 0)
		return err;
	memcpy(p->data, data, size);
	p->pts = pts;
	err = avcodec_send_packet(d, p);
	av_packet_unref(p);
	return err;
}

// rr_settle_colour sets the matrix and the range of a decoded frame: the stream's, else the container's, else the limited range of
// BT.601, which WebRTC's encoders make. VP8 cannot name another matrix, and libavcodec takes its clamping type for the range:
// there the container comes first. Source: RFC 6386, 9.2.
void rr_settle_colour(const AVCodecContext *d, AVFrame *f, int matrix, int full)
{
	int silent = d->codec_id == AV_CODEC_ID_VP8;
	if (silent || !rr_known_matrix(f->colorspace))
		f->colorspace = rr_known_matrix(matrix) ? matrix : AVCOL_SPC_SMPTE170M;
	if (silent || f->color_range == AVCOL_RANGE_UNSPECIFIED)
		f->color_range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
}

int rr_receive_frame(AVCodecContext *d, AVFrame *f, rr_frame_info *info)
{
	int err = avcodec_receive_frame(d, f);
	if (err < 0)
		return err;
	memset(info, 0, sizeof *info);
	info->pts = f->pts != AV_NOPTS_VALUE ? f->pts : f->best_effort_timestamp;
	info->bad = f->decode_error_flags != 0 || (f->flags & AV_FRAME_FLAG_CORRUPT) != 0;
	if (d->codec_type == AVMEDIA_TYPE_AUDIO) {
		info->samples = f->nb_samples;
		info->channels = CHANNELS(f);
		info->rate = f->sample_rate;
		return 0;
	}
	info->width = f->width;
	info->height = f->height;
	info->sar_num = f->sample_aspect_ratio.num;
	info->sar_den = f->sample_aspect_ratio.den;
	info->drawable = rr_drawable(f);
	return 0;
}

// Channels in the order of the bits of libavcodec's layout masks, which is also the order of its planes.
enum { FL, FR, FC, LFE, BL, BR, FLC, FRC, BC, SL, SR, POSITIONS };

// share says how much of a channel the left and the right side get: what ITU-R BS.775 mixes down to stereo. LFE is dropped.
static const float share[POSITIONS][2] = {
	[FL] = {1, 0},        [FR] = {0, 1},        [FC] = {0.7071f, 0.7071f},
	[BL] = {0.7071f, 0},  [BR] = {0, 0.7071f},  [SL] = {0.7071f, 0}, [SR] = {0, 0.7071f},
	[FLC] = {0.7071f, 0}, [FRC] = {0, 0.7071f}, [BC] = {0.5f, 0.5f},
};

static uint64_t layout_mask(const AVFrame *f)
{
#if RR_LAYOUTS
	return f->ch_layout.order == AV_CHANNEL_ORDER_NATIVE ? f->ch_layout.u.mask : 0;
#else
	return f->channel_layout;
#endif
}

// mix_down adds float channels up, each with its share. As in ffmpeg, all shares are divided by the largest sum of one side,
// so that no recording becomes louder than full scale.
static int mix_down(const AVFrame *f, float *stereo)
{
	int channels = CHANNELS(f), planar = av_sample_fmt_is_planar(f->format);
	if (av_get_packed_sample_fmt(f->format) != AV_SAMPLE_FMT_FLT)
		return AVERROR_PATCHWELCOME;
	uint64_t mask = layout_mask(f);
	float left = 0, right = 0;
	int known = 0;
	for (int p = 0; p < POSITIONS; p++) {
		if (!(mask >> p & 1))
			continue;
		left += share[p][0];
		right += share[p][1];
		known++;
	}
	float largest = left > right ? left : right;
	if (known != channels || mask >> POSITIONS != 0 || largest == 0)
		return AVERROR_PATCHWELCOME;
	float scale = largest > 1 ? 1 / largest : 1;
	memset(stereo, 0, sizeof(float) * 2 * f->nb_samples);
	int channel = 0, step = planar ? 1 : channels;
	for (int p = 0; p < POSITIONS; p++) {
		if (!(mask >> p & 1))
			continue;
		const float *from = (const float *)f->extended_data[planar ? channel : 0] + (planar ? 0 : channel);
		channel++;
		for (int i = 0; i < f->nb_samples; i++) {
			stereo[2 * i] += scale * share[p][0] * from[i * step];
			stereo[2 * i + 1] += scale * share[p][1] * from[i * step];
		}
	}
	return 0;
}

// rr_audio_copy writes a frame as interleaved samples of one or two channels. More channels than two are mixed down to two first, then
// two to one; one goes to both sides unchanged.
int rr_audio_copy(const AVFrame *f, float *samples, int wanted)
{
	int channels = CHANNELS(f), n = f->nb_samples;
	if (channels < 1)
		return AVERROR_PATCHWELCOME;
	if (wanted == 1 && channels > 1) {
		float *stereo = av_malloc_array(n, 2 * sizeof *stereo);
		if (!stereo)
			return AVERROR(ENOMEM);
		int err = rr_audio_copy(f, stereo, 2);
		for (int i = 0; i < n && err >= 0; i++)
			samples[i] = (stereo[2 * i] + stereo[2 * i + 1]) / 2;
		av_free(stereo);
		return err;
	}
	if (channels > 2)
		return mix_down(f, samples);
	int planar = av_sample_fmt_is_planar(f->format);
	for (int c = 0; c < wanted; c++) {
		int from = c < channels ? c : 0;
		int step = planar ? 1 : channels;
		const uint8_t *plane = f->extended_data[planar ? from : 0];
		int start = planar ? 0 : from;
		switch (av_get_packed_sample_fmt(f->format)) {
		case AV_SAMPLE_FMT_FLT:
			for (int i = 0; i < n; i++)
				samples[wanted * i + c] = ((const float *)plane)[start + i * step];
			break;
		case AV_SAMPLE_FMT_S16:
			for (int i = 0; i < n; i++)
				samples[wanted * i + c] = ((const int16_t *)plane)[start + i * step] / 32768.0f;
			break;
		default:
			return AVERROR_PATCHWELCOME;
		}
	}
	return 0;
}
