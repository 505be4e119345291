#include "codec.h"

void rr_resample(const float (*kernel)[RR_TAPS], const float *x, int64_t rest, int64_t in, int64_t out, float *dst, int stride, int count)
{
	int64_t step = in / out, more = in % out;
	double scale = RR_PHASES / (double)out;
	for (int k = 0; k < count; k++) {
		double phase = rest * scale;
		int p = (int)phase < RR_PHASES ? (int)phase : RR_PHASES - 1;
		float blend = (float)(phase - p);
		const float *a = kernel[p], *b = kernel[p + 1];
		float sum[8] = {0}; // the compiler makes two vectors of them
		for (int t = 0; t < RR_TAPS; t += 8)
			for (int i = 0; i < 8; i++)
				sum[i] += (a[t + i] + (b[t + i] - a[t + i]) * blend) * x[t + i];
		dst[k * stride] = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
		x += step;
		if ((rest += more) >= out) {
			rest -= out;
			x++;
		}
	}
}
