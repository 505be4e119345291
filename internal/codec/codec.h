// The C side of package codec: libavcodec, libopus and libyuv, narrowed to what the package needs. No function keeps a pointer
// that it was given, except to what it allocated itself. Functions return 0 or more for success, and libavutil's
// negative error numbers otherwise.

#ifndef ROOMREEL_CODEC_H
#define ROOMREEL_CODEC_H

#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
#include <opus.h>
#include <stdint.h>

// Channel counts moved into AVChannelLayout in libavcodec 59.24 and left their old place in 61.
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
#define RR_LAYOUTS 1
#define SET_CHANNELS(c, n) av_channel_layout_default(&(c)->ch_layout, n)
#define CHANNELS(f) ((f)->ch_layout.nb_channels)
#else
#include <libavutil/channel_layout.h>
#define RR_LAYOUTS 0
#define SET_CHANNELS(c, n) ((c)->channels = (n), (c)->channel_layout = av_get_default_channel_layout(n))
#define CHANNELS(f) ((f)->channels)
#endif

typedef struct {
	const char *name;
	const uint8_t *extradata;
	int extradata_size;
	int rate, channels;     // audio
	int64_t max_pixels;     // video
} rr_decoder_config;

// What is drawn of a frame: a rectangle of it, mirrored left to right, and then turned clockwise by 0, 90, 180 or 270 degrees.
typedef struct {
	int x, y, w, h;
	int mirror, turn;
} rr_view;

typedef struct {
	const char *name;
	int threads;
	int64_t bitrate;
	int width, height, fps, gop; // video
	int primaries, transfer, matrix; // by H.273; all 0: the matrix of BT.601, and nothing about the others
	int rate, channels;          // audio
} rr_encoder_config;

// What Go wants to know about a frame, copied out so that Go never reads libav's structs.
typedef struct {
	int64_t pts;
	int width, height;
	int sar_num, sar_den;
	int bad;      // the decoder concealed or lost something
	int drawable; // rr_canvas_draw can draw its pixel format
	int samples, channels, rate;
} rr_frame_info;

void rr_quiet(void);
int rr_lost(AVCodecContext *d);
int rr_open_decoder(AVCodecContext **out, const rr_decoder_config *c);
int rr_send_data(AVCodecContext *d, AVPacket *p, const uint8_t *data, int size, int64_t pts);
int rr_receive_frame(AVCodecContext *d, AVFrame *f, rr_frame_info *info);
void rr_settle_colour(const AVCodecContext *d, AVFrame *f, int matrix, int full);
int rr_audio_copy(const AVFrame *f, float *samples, int channels);

// How samples of one matrix and range become those of another: what is added to each of Y, U and V, as factors of the distances of
// Y, U and V from 128. All are times 1 << RR_FRACTION.
#define RR_FRACTION 9
typedef struct {
	int16_t y, yu, yv, u, uv, vu, v;
	int16_t zero; // added to Y besides, with the half that rounds
} rr_conversion;

int rr_known_matrix(int matrix);
int rr_find_conversion(rr_conversion *c, const AVFrame *from, const AVFrame *to);
void rr_convert(const rr_conversion *c, AVFrame *canvas, int x, int y, int w, int h, int16_t *row);
int rr_planar_rgb(enum AVPixelFormat format);
int rr_rgb_to_yuv(AVFrame **out, const AVFrame *from, enum AVColorSpace matrix);

int rr_drawable(const AVFrame *f);
int rr_new_canvas(AVFrame **out, int width, int height);
int rr_canvas_equal(const AVFrame *a, const AVFrame *b);
void rr_canvas_black(AVFrame *canvas, int x, int y, int w, int h);
int rr_canvas_draw(AVFrame *canvas, const AVFrame *frame, const rr_view *v, int x, int y, int w, int h, uint8_t **scratch,
	int *size);

int rr_open_encoder(AVCodecContext **out, const rr_encoder_config *c, AVDictionary **options);
int rr_send_canvas(AVCodecContext *e, AVFrame *canvas, int64_t pts, int type);
int rr_send_audio(AVCodecContext *e, AVFrame *f, const float *values, int samples, int64_t pts);
int rr_end(AVCodecContext *e);
int rr_receive_packet(AVCodecContext *e, AVPacket *p, int *key);

enum { RR_TAPS = 32, RR_PHASES = 256 };
void rr_resample(const float (*kernel)[RR_TAPS], const float *x, int64_t rest, int64_t in, int64_t out, float *dst, int stride, int count);

int rr_open_opus_decoder(OpusDecoder **out, int channels, int gain);
int rr_decode_opus(OpusDecoder *d, const uint8_t *data, int size, float *samples, int room);
int rr_open_opus_encoder(OpusEncoder **out, int channels, int bitrate, int complexity, int *delay);
int rr_encode_opus(OpusEncoder *e, const float *samples, int n, uint8_t *packet, int room);

const char *rr_option_left(AVDictionary *options);

#endif
