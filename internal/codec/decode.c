#include "codec.h"

#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libavutil/samplefmt.h>
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

// planar_yuv reports whether rr_canvas_draw understands a pixel format: grey or planar YUV of 8 to 16 bits in the
// machine's byte order, with or without alpha.
static int planar_yuv(enum AVPixelFormat format)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
	const uint64_t foreign = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL |
		AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BE;
	if (!d || d->flags & foreign || d->nb_components < 1 || d->nb_components == 2)
		return 0;
	int bytes = d->comp[0].depth > 8 ? 2 : 1;
	for (int i = 0; i < d->nb_components && i < 3; i++) {
		const AVComponentDescriptor *c = &d->comp[i];
		if (c->plane != i || c->step != bytes || c->offset != 0 || c->shift != 0 || c->depth != d->comp[0].depth)
			return 0;
	}
	return d->comp[0].depth >= 8 && d->comp[0].depth <= 16;
}

// yuv_of returns the planar YUV format to which a planar RGB format is converted, AV_PIX_FMT_NONE for other formats.
static enum AVPixelFormat yuv_of(enum AVPixelFormat format)
{
	switch (format) {
	case AV_PIX_FMT_GBRP:
	case AV_PIX_FMT_GBRAP:
		return AV_PIX_FMT_YUV444P;
	case AV_PIX_FMT_GBRP9:
		return AV_PIX_FMT_YUV444P9;
	case AV_PIX_FMT_GBRP10:
	case AV_PIX_FMT_GBRAP10:
		return AV_PIX_FMT_YUV444P10;
	case AV_PIX_FMT_GBRP12:
	case AV_PIX_FMT_GBRAP12:
		return AV_PIX_FMT_YUV444P12;
	case AV_PIX_FMT_GBRP14:
		return AV_PIX_FMT_YUV444P14;
	default:
		return AV_PIX_FMT_NONE;
	}
}

// One row of full-range RGB to YUV. table has a row of three coefficients (R, G, B) for each of Y, U and V, times 1 << 15.
// zero is what they are added to, with the half that rounds.
#define CONVERT_ROW(TYPE) \
	static void convert_row_##TYPE(const AVFrame *from, AVFrame *to, int y, const int table[3][3], const int zero[3]) \
	{ \
		const TYPE *g = (const TYPE *)(from->data[0] + y * (ptrdiff_t)from->linesize[0]); \
		const TYPE *b = (const TYPE *)(from->data[1] + y * (ptrdiff_t)from->linesize[1]); \
		const TYPE *r = (const TYPE *)(from->data[2] + y * (ptrdiff_t)from->linesize[2]); \
		for (int p = 0; p < 3; p++) { \
			TYPE *out = (TYPE *)(to->data[p] + y * (ptrdiff_t)to->linesize[p]); \
			for (int x = 0; x < from->width; x++) \
				out[x] = (zero[p] + table[p][0] * r[x] + table[p][1] * g[x] + table[p][2] * b[x]) >> 15; \
		} \
	}
CONVERT_ROW(uint8_t)
CONVERT_ROW(uint16_t)

// to_yuv converts a frame of planar RGB, which screen recorders write in VP9 and H.264, to YUV 4:4:4 of the limited range of
// BT.601, with as many bits. Frames of other formats stay as they are.
static int to_yuv(AVFrame *f)
{
	enum AVPixelFormat format = yuv_of(f->format);
	if (format == AV_PIX_FMT_NONE)
		return 0;
	AVFrame *yuv = av_frame_alloc();
	if (!yuv)
		return AVERROR(ENOMEM);
	yuv->format = format;
	yuv->width = f->width;
	yuv->height = f->height;
	int err = av_frame_get_buffer(yuv, 0);
	if (err >= 0)
		err = av_frame_copy_props(yuv, f);
	if (err < 0) {
		av_frame_free(&yuv);
		return err;
	}
	int depth = av_pix_fmt_desc_get(format)->comp[0].depth, step = 1 << (depth - 8);
	double one = (1 << 15) / (double)((1 << depth) - 1) * step; // coefficients are for RGB from 0 to 1 and 8 bits of YUV
	const double bt601[3][3] = {{65.481, 128.553, 24.966}, {-37.797, -74.203, 112.0}, {112.0, -93.786, -18.214}};
	int table[3][3], zero[3];
	for (int p = 0; p < 3; p++) {
		for (int c = 0; c < 3; c++)
			table[p][c] = (int)(bt601[p][c] * one + (bt601[p][c] < 0 ? -0.5 : 0.5));
		zero[p] = ((p ? 128 : 16) * step << 15) + (1 << 14);
	}
	for (int y = 0; y < f->height; y++) {
		if (depth > 8)
			convert_row_uint16_t(f, yuv, y, table, zero);
		else
			convert_row_uint8_t(f, yuv, y, table, zero);
	}
	yuv->colorspace = AVCOL_SPC_SMPTE170M;
	yuv->color_range = AVCOL_RANGE_MPEG;
	av_frame_unref(f);
	av_frame_move_ref(f, yuv);
	av_frame_free(&yuv);
	return 0;
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
	if (f->buf[0] && (err = to_yuv(f)) < 0)
		return err;
	info->width = f->width;
	info->height = f->height;
	info->sar_num = f->sample_aspect_ratio.num;
	info->sar_den = f->sample_aspect_ratio.den;
	info->drawable = f->buf[0] && planar_yuv(f->format);
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

// rr_audio_copy writes a frame as interleaved stereo: mono goes to both sides unchanged, more than two channels are mixed.
int rr_audio_copy(const AVFrame *f, float *stereo)
{
	int channels = CHANNELS(f);
	if (channels > 2)
		return mix_down(f, stereo);
	if (channels < 1)
		return AVERROR_PATCHWELCOME;
	int planar = av_sample_fmt_is_planar(f->format);
	for (int c = 0; c < 2; c++) {
		int from = c < channels ? c : 0;
		int step = planar ? 1 : channels;
		const uint8_t *plane = f->extended_data[planar ? from : 0];
		int start = planar ? 0 : from;
		switch (av_get_packed_sample_fmt(f->format)) {
		case AV_SAMPLE_FMT_FLT:
			for (int i = 0; i < f->nb_samples; i++)
				stereo[2 * i + c] = ((const float *)plane)[start + i * step];
			break;
		case AV_SAMPLE_FMT_S16:
			for (int i = 0; i < f->nb_samples; i++)
				stereo[2 * i + c] = ((const int16_t *)plane)[start + i * step] / 32768.0f;
			break;
		default:
			return AVERROR_PATCHWELCOME;
		}
	}
	return 0;
}
