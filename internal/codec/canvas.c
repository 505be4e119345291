#include "codec.h"

#include <libavutil/pixdesc.h>
#include <libyuv/planar_functions.h>
#include <libyuv/rotate.h>
#include <libyuv/scale.h>
#include <string.h>

int rr_new_canvas(AVFrame **out, int width, int height)
{
	AVFrame *f = av_frame_alloc();
	if (!f)
		return AVERROR(ENOMEM);
	f->format = AV_PIX_FMT_YUV420P;
	f->width = width;
	f->height = height;
	f->colorspace = AVCOL_SPC_SMPTE170M;
	f->color_range = AVCOL_RANGE_MPEG;
	int err = av_frame_get_buffer(f, 0);
	if (err < 0) {
		av_frame_free(&f);
		return err;
	}
	rr_canvas_black(f, 0, 0, width, height);
	*out = f;
	return 0;
}

void rr_canvas_black(AVFrame *canvas, int x, int y, int w, int h)
{
	for (int i = 0; i < 3; i++) {
		int s = i > 0;
		int stride = canvas->linesize[i];
		SetPlane(canvas->data[i] + (y >> s) * stride + (x >> s), stride, w >> s, h >> s, s ? 128 : 16);
	}
}

int rr_canvas_equal(const AVFrame *a, const AVFrame *b)
{
	for (int i = 0; i < 3; i++) {
		int s = i > 0;
		for (int y = 0; y < a->height >> s; y++)
			if (memcmp(a->data[i] + y * (ptrdiff_t)a->linesize[i], b->data[i] + y * (ptrdiff_t)b->linesize[i], a->width >> s))
				return 0;
	}
	return 1;
}

// planar_yuv reports whether a pixel format is grey or planar YUV of 8 to 16 bits in the machine's byte order, with or without
// alpha.
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

int rr_drawable(const AVFrame *f)
{
	return f->buf[0] && (planar_yuv(f->format) || rr_planar_rgb(f->format));
}

// to_eight rounds samples of more than 8 bits. libyuv's Convert16To8Plane rounds them down.
static void to_eight(const uint16_t *restrict from, int stride, uint8_t *restrict to, int w, int h, int depth)
{
	int drop = depth - 8;
	unsigned half = 1 << (drop - 1), most = (255 << drop) + half - 1;
	for (int y = 0; y < h; y++, from += stride, to += w)
		for (int x = 0; x < w; x++)
			to[x] = ((from[x] < most ? from[x] : most) + half) >> drop;
}

// reserve grows scratch to hold at least the given number of bytes.
static int reserve(uint8_t **scratch, int *size, int bytes)
{
	if (*size >= bytes)
		return 0;
	uint8_t *grown = av_realloc(*scratch, bytes);
	if (!grown)
		return AVERROR(ENOMEM);
	*scratch = grown;
	*size = bytes;
	return 0;
}

// draw scales what v shows of a frame into an even rectangle of the canvas, one plane at a time: whatever the
// frame's chroma subsampling, each plane ends at the canvas's. libyuv's box filter is bilinear by itself until a side
// shrinks to less than half. The rectangle is then converted to the canvas's matrix and range, where the frame's are others.
// scratch grows to hold one plane of a frame with more than 8 bits, and one plane of the rectangle before it is turned.
static int draw(AVFrame *canvas, const AVFrame *frame, const rr_view *v, int x, int y, int w, int h, uint8_t **scratch,
	int *size)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
	int turned = v->turn || v->mirror;
	for (int i = 0; i < 3; i++) {
		int s = i > 0;
		int to_stride = canvas->linesize[i], to_w = w >> s, to_h = h >> s;
		uint8_t *to = canvas->data[i] + (y >> s) * to_stride + (x >> s);
		if (i >= d->nb_components) { // grey
			SetPlane(to, to_stride, to_w, to_h, 128);
			continue;
		}
		int deep = d->comp[0].depth > 8;
		int sx = s ? d->log2_chroma_w : 0, sy = s ? d->log2_chroma_h : 0;
		int left = v->x >> sx, top = v->y >> sy;
		int from_w = AV_CEIL_RSHIFT(v->x + v->w, sx) - left, from_h = AV_CEIL_RSHIFT(v->y + v->h, sy) - top;
		int stride = frame->linesize[i];
		const uint8_t *from = frame->data[i] + top * (ptrdiff_t)stride + (left << deep);
		int eight = deep ? from_w * from_h : 0;
		if (reserve(scratch, size, eight + (turned ? to_w * to_h : 0)) < 0)
			return AVERROR(ENOMEM);
		if (deep) {
			to_eight((const uint16_t *)from, stride / 2, *scratch, from_w, from_h, d->comp[0].depth);
			from = *scratch;
			stride = from_w;
		}
		if (turned) {
			int across = v->turn % 180 != 0;
			int upright_w = across ? to_h : to_w, upright_h = across ? to_w : to_h;
			uint8_t *upright = *scratch + eight;
			ScalePlane(from, stride, from_w, from_h, upright, upright_w, upright_w, upright_h, kFilterBox);
			// A negative height means upside down. Together with half a turn, that is a mirror.
			RotatePlane(upright, upright_w, to, to_stride, upright_w, v->mirror ? -upright_h : upright_h,
				(enum RotationMode)((v->turn + (v->mirror ? 180 : 0)) % 360));
		} else {
			ScalePlane(from, stride, from_w, from_h, to, to_stride, to_w, to_h, kFilterBox);
		}
	}
	rr_conversion c;
	if (!rr_find_conversion(&c, frame, canvas))
		return 0;
	if (reserve(scratch, size, w * (int)sizeof(int16_t)) < 0)
		return AVERROR(ENOMEM);
	rr_convert(&c, canvas, x, y, w, h, (int16_t *)*scratch);
	return 0;
}

int rr_canvas_draw(AVFrame *canvas, const AVFrame *frame, const rr_view *v, int x, int y, int w, int h, uint8_t **scratch,
	int *size)
{
	if (!rr_planar_rgb(frame->format))
		return draw(canvas, frame, v, x, y, w, h, scratch, size);
	AVFrame *yuv = NULL;
	int err = rr_rgb_to_yuv(&yuv, frame, canvas->colorspace);
	if (err >= 0)
		err = draw(canvas, yuv, v, x, y, w, h, scratch, size);
	av_frame_free(&yuv);
	return err;
}
