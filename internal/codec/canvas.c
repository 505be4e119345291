#include "codec.h"

#include <libavutil/pixdesc.h>
#include <libyuv/planar_functions.h>
#include <libyuv/rotate.h>
#include <libyuv/scale.h>

int rr_new_canvas(AVFrame **out, int width, int height)
{
	AVFrame *f = av_frame_alloc();
	if (!f)
		return AVERROR(ENOMEM);
	f->format = AV_PIX_FMT_YUV420P;
	f->width = width;
	f->height = height;
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

// narrow converts full-range samples to the limited range of BT.601 with 8 bits, which films have.
static void narrow(uint8_t *p, int stride, int w, int h, int chroma)
{
	uint8_t table[256];
	for (int v = 0; v < 256; v++)
		table[v] = chroma ? (uint8_t)(128.5 + (v - 128) * 224.0 / 255.0) : (uint8_t)(16.5 + v * 219.0 / 255.0);
	for (int y = 0; y < h; y++, p += stride)
		for (int x = 0; x < w; x++)
			p[x] = table[p[x]];
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

// rr_canvas_draw scales what v shows of a frame into an even rectangle of the canvas, one plane at a time: whatever the
// frame's chroma subsampling, each plane ends at the canvas's. libyuv's box filter is bilinear by itself until a side
// shrinks to less than half. scratch grows to hold one plane of a frame with more than 8 bits, and one plane of the
// rectangle before it is turned.
int rr_canvas_draw(AVFrame *canvas, const AVFrame *frame, const rr_view *v, int x, int y, int w, int h, uint8_t **scratch,
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
			Convert16To8Plane((const uint16_t *)from, stride / 2, *scratch, from_w, 1 << (24 - d->comp[0].depth),
				from_w, from_h);
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
		if (frame->color_range == AVCOL_RANGE_JPEG)
			narrow(to, to_stride, to_w, to_h, s);
	}
	return 0;
}
