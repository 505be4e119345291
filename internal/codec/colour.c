// What samples mean: matrices and ranges. Primaries and transfer functions are never converted.

#include "codec.h"

#include <libavutil/pixdesc.h>

// weights are what red and blue give to luma, by the numbers of H.273. Source: ITU-T H.273, table 4. BT.2020's matrix for
// constant luminance is taken for the other, as ffmpeg does.
static const double weights[][2] = {
	[AVCOL_SPC_BT709] = {0.2126, 0.0722},     [AVCOL_SPC_FCC] = {0.30, 0.11},
	[AVCOL_SPC_BT470BG] = {0.299, 0.114},     [AVCOL_SPC_SMPTE170M] = {0.299, 0.114},
	[AVCOL_SPC_SMPTE240M] = {0.212, 0.087},   [AVCOL_SPC_BT2020_NCL] = {0.2627, 0.0593},
	[AVCOL_SPC_BT2020_CL] = {0.2627, 0.0593},
};

int rr_known_matrix(int matrix)
{
	return matrix > 0 && matrix < (int)(sizeof weights / sizeof *weights) && weights[matrix][0] > 0;
}

// from_rgb makes the matrix from R, G and B to luma (0 to 1) and chroma (-0.5 to 0.5). Unknown ones are BT.601's.
static void from_rgb(double m[3][3], int matrix)
{
	const double *w = weights[rr_known_matrix(matrix) ? matrix : AVCOL_SPC_SMPTE170M];
	double luma[3] = {w[0], 1 - w[0] - w[1], w[1]};
	for (int c = 0; c < 3; c++) {
		m[0][c] = luma[c];
		m[1][c] = ((c == 2) - luma[c]) / (2 * (1 - w[1]));
		m[2][c] = ((c == 0) - luma[c]) / (2 * (1 - w[0]));
	}
}

static int16_t fixed(double v)
{
	v *= 1 << RR_FRACTION;
	return (int16_t)(v + (v < 0 ? -0.5 : 0.5));
}

// rr_find_conversion reports whether samples of a frame must be converted to those of another, and how. The result is limited.
int rr_find_conversion(rr_conversion *c, const AVFrame *from, const AVFrame *to)
{
	int full = from->color_range == AVCOL_RANGE_JPEG;
	double a[3][3], b[3][3], columns[3][3];
	from_rgb(a, from->colorspace);
	from_rgb(b, to->colorspace);
	if (!full && a[0][0] == b[0][0] && a[0][2] == b[0][2])
		return 0;
	// Column 1 is what the frame's U becomes, column 2 its V: to R, G and B by the one matrix, and back by the other.
	double red = a[0][0], green = a[0][1], blue = a[0][2];
	double rgb[3][3] = {{1, 1, 1}, {0, -2 * (1 - blue) * blue / green, 2 * (1 - blue)}, {2 * (1 - red), -2 * (1 - red) * red / green, 0}};
	for (int i = 0; i < 3; i++)
		for (int p = 0; p < 3; p++)
			columns[i][p] = b[p][0] * rgb[i][0] + b[p][1] * rgb[i][1] + b[p][2] * rgb[i][2];
	int depth = av_pix_fmt_desc_get(from->format)->comp[0].depth;
	double most = ((1 << depth) - 1) / (double)(1 << (depth - 8)); // of full range, after the frame was rounded to 8 bits
	double luma = full ? most : 219, chroma = full ? most : 224;
	double y = 219 / luma - 1, half = 0.5;
	*c = (rr_conversion){
		.y = fixed(y), .yu = fixed(columns[1][0] * 219 / chroma), .yv = fixed(columns[2][0] * 219 / chroma),
		.u = fixed(columns[1][1] * 224 / chroma - 1), .uv = fixed(columns[2][1] * 224 / chroma),
		.vu = fixed(columns[1][2] * 224 / chroma), .v = fixed(columns[2][2] * 224 / chroma - 1),
		.zero = fixed(half + (full ? 16 + 128 * y : 0)),
	};
	return 1;
}

static inline uint8_t clip(int16_t v)
{
	v = v < 0 ? 0 : v;
	return v > 255 ? 255 : v;
}

// convert_chroma converts a row of chroma, and writes what it adds to each sample of luma. All products and sums fit 16 bits:
// the factors of a sum are below 1/2 together, and samples are within 128 of grey.
static void convert_chroma(const rr_conversion *c, uint8_t *restrict u, uint8_t *restrict v, int n, int16_t *restrict add)
{
	const int16_t yu = c->yu, yv = c->yv, uu = c->u, uv = c->uv, vu = c->vu, vv = c->v, zero = c->zero;
	const int16_t half = 1 << (RR_FRACTION - 1);
	for (int x = 0; x < n; x++) {
		int16_t a = u[x] - 128, b = v[x] - 128;
		int16_t luma = yu * a + yv * b + zero, more_u = uu * a + uv * b + half, more_v = vu * a + vv * b + half;
		add[2 * x] = luma;
		add[2 * x + 1] = luma;
		u[x] = clip(a + 128 + (more_u >> RR_FRACTION));
		v[x] = clip(b + 128 + (more_v >> RR_FRACTION));
	}
}

static void convert_luma(int16_t factor, uint8_t *restrict y, int n, const int16_t *restrict add)
{
	for (int x = 0; x < n; x++) {
		int16_t more = factor * (int16_t)(y[x] - 128) + add[x];
		y[x] = clip(y[x] + (more >> RR_FRACTION));
	}
}

// rr_convert converts an even rectangle of a canvas in place. Each sample of chroma counts for the four of luma that it
// covers, as where players do not interpolate it. row has room for w values.
void rr_convert(const rr_conversion *c, AVFrame *canvas, int x, int y, int w, int h, int16_t *row)
{
	for (int i = 0; i < h; i += 2) {
		ptrdiff_t luma = (y + i) * (ptrdiff_t)canvas->linesize[0] + x;
		int down = (y + i) / 2;
		convert_chroma(c, canvas->data[1] + down * (ptrdiff_t)canvas->linesize[1] + x / 2,
			canvas->data[2] + down * (ptrdiff_t)canvas->linesize[2] + x / 2, w / 2, row);
		convert_luma(c->y, canvas->data[0] + luma, w, row);
		convert_luma(c->y, canvas->data[0] + luma + canvas->linesize[0], w, row);
	}
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

int rr_planar_rgb(enum AVPixelFormat format)
{
	return yuv_of(format) != AV_PIX_FMT_NONE;
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

// rr_rgb_to_yuv converts a frame of planar RGB, which screen recorders write in VP9 and H.264, to YUV 4:4:4 in limited range,
// with as many bits.
int rr_rgb_to_yuv(AVFrame **out, const AVFrame *from, enum AVColorSpace matrix)
{
	AVFrame *yuv = av_frame_alloc();
	if (!yuv)
		return AVERROR(ENOMEM);
	yuv->format = yuv_of(from->format);
	yuv->width = from->width;
	yuv->height = from->height;
	yuv->colorspace = matrix;
	yuv->color_range = AVCOL_RANGE_MPEG;
	int err = av_frame_get_buffer(yuv, 0);
	if (err < 0) {
		av_frame_free(&yuv);
		return err;
	}
	int depth = av_pix_fmt_desc_get(yuv->format)->comp[0].depth, step = 1 << (depth - 8);
	double one = (1 << 15) / (double)((1 << depth) - 1) * step; // coefficients are for RGB from 0 to 1 and 8 bits of YUV
	double m[3][3];
	from_rgb(m, matrix);
	int table[3][3], zero[3];
	for (int p = 0; p < 3; p++) {
		for (int c = 0; c < 3; c++) {
			double v = m[p][c] * (p ? 224 : 219) * one;
			table[p][c] = (int)(v + (v < 0 ? -0.5 : 0.5));
		}
		zero[p] = ((p ? 128 : 16) * step << 15) + (1 << 14);
	}
	for (int y = 0; y < from->height; y++) {
		if (depth > 8)
			convert_row_uint16_t(from, yuv, y, table, zero);
		else
			convert_row_uint8_t(from, yuv, y, table, zero);
	}
	*out = yuv;
	return 0;
}
