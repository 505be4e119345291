#include "codec.h"

#include <libavutil/samplefmt.h>
#include <string.h>

int rr_open_encoder(AVCodecContext **out, const rr_encoder_config *c, AVDictionary **options)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(c->name);
	if (!codec)
		return AVERROR_ENCODER_NOT_FOUND;
	AVCodecContext *e = avcodec_alloc_context3(codec);
	if (!e)
		return AVERROR(ENOMEM);
	e->thread_count = c->threads;
	e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	if (c->bitrate > 0)
		e->bit_rate = c->bitrate;
	if (codec->type == AVMEDIA_TYPE_AUDIO) {
		e->sample_rate = c->rate;
		e->sample_fmt = strcmp(c->name, "aac") == 0 ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;
		e->time_base = (AVRational){1, c->rate};
		SET_CHANNELS(e, c->channels);
	} else {
		e->width = c->width;
		e->height = c->height;
		e->pix_fmt = AV_PIX_FMT_YUV420P;
		e->framerate = (AVRational){c->fps, 1};
		e->time_base = (AVRational){1, c->fps};
		e->sample_aspect_ratio = (AVRational){1, 1};
		e->color_range = AVCOL_RANGE_MPEG;
		e->colorspace = AVCOL_SPC_SMPTE170M;
		if (c->matrix) {
			e->color_primaries = c->primaries;
			e->color_trc = c->transfer;
			e->colorspace = c->matrix;
		}
		if (c->gop > 0)
			e->gop_size = c->gop;
	}
	int err = avcodec_open2(e, codec, options);
	if (err < 0) {
		avcodec_free_context(&e);
		return err;
	}
	*out = e;
	return 0;
}

int rr_send_canvas(AVCodecContext *e, AVFrame *canvas, int64_t pts, int type)
{
	canvas->pts = pts;
	canvas->pict_type = type;
	return avcodec_send_frame(e, canvas);
}

int rr_send_audio(AVCodecContext *e, AVFrame *f, const float *values, int samples, int64_t pts)
{
	av_frame_unref(f);
	f->format = e->sample_fmt;
	f->sample_rate = e->sample_rate;
	f->nb_samples = samples;
#if RR_LAYOUTS
	int err = av_channel_layout_copy(&f->ch_layout, &e->ch_layout);
	if (err < 0)
		return err;
#else
	int err;
	f->channels = e->channels;
	f->channel_layout = e->channel_layout;
#endif
	err = av_frame_get_buffer(f, 0);
	if (err < 0)
		return err;
	if (av_sample_fmt_is_planar(f->format)) {
		int channels = CHANNELS(e);
		for (int c = 0; c < channels; c++) {
			float *plane = (float *)f->extended_data[c];
			for (int i = 0; i < samples; i++)
				plane[i] = values[channels * i + c];
		}
	} else {
		memcpy(f->data[0], values, sizeof(float) * CHANNELS(e) * samples);
	}
	f->pts = pts;
	return avcodec_send_frame(e, f);
}

int rr_end(AVCodecContext *e)
{
	return avcodec_send_frame(e, NULL);
}

int rr_receive_packet(AVCodecContext *e, AVPacket *p, int *key)
{
	av_packet_unref(p);
	int err = avcodec_receive_packet(e, p);
	if (err < 0)
		return err;
	*key = (p->flags & AV_PKT_FLAG_KEY) != 0;
	return 0;
}

const char *rr_option_left(AVDictionary *options)
{
	AVDictionaryEntry *e = av_dict_get(options, "", NULL, AV_DICT_IGNORE_SUFFIX);
	return e ? e->key : NULL;
}
