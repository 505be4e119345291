#include "codec.h"

#include <libavutil/pixdesc.h>
#include <libyuv/planar_functions.h>
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

// rr_canvas_draw scales a frame into an even rectangle of the canvas, one plane at a time: whatever the frame's
// chroma subsampling, each plane ends at the canvas's. libyuv's box filter is bilinear by itself until a side shrinks
// to less than half. scratch grows to hold one plane of a frame with more than 8 bits.
int rr_canvas_draw(AVFrame *canvas, const AVFrame *frame, int x, int y, int w, int h, uint8_t **scratch, int *size)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
	for (int i = 0; i < 3; i++) {
		int s = i > 0;
		int to_stride = canvas->linesize[i], to_w = w >> s, to_h = h >> s;
		uint8_t *to = canvas->data[i] + (y >> s) * to_stride + (x >> s);
		if (i >= d->nb_components) { // grey
			SetPlane(to, to_stride, to_w, to_h, 128);
			continue;
		}
		const uint8_t *from = frame->data[i];
		int stride = frame->linesize[i];
		int from_w = s ? AV_CEIL_RSHIFT(frame->width, d->log2_chroma_w) : frame->width;
		int from_h = s ? AV_CEIL_RSHIFT(frame->height, d->log2_chroma_h) : frame->height;
		if (d->comp[0].depth > 8) {
			if (*size < from_w * from_h) {
				uint8_t *grown = av_realloc(*scratch, from_w * from_h);
				if (!grown)
					return AVERROR(ENOMEM);
				*scratch = grown;
				*size = from_w * from_h;
			}
			Convert16To8Plane((const uint16_t *)from, stride / 2, *scratch, from_w, 1 << (24 - d->comp[0].depth),
				from_w, from_h);
			from = *scratch;
			stride = from_w;
		}
		ScalePlane(from, stride, from_w, from_h, to, to_stride, to_w, to_h, kFilterBox);
		if (frame->color_range == AVCOL_RANGE_JPEG)
			narrow(to, to_stride, to_w, to_h, s);
	}
	return 0;
}
