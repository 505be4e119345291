package codec_test

import (
	"testing"

	"roomreel/internal/codec"
)

// Nothing that a caller may ask for reads beyond the samples.
func TestKernel_RefusesToReadBeyondTheInput(t *testing.T) {
	const taps = codec.KernelTaps
	k := new(codec.Kernel)
	for _, test := range []struct {
		dst, stride, x int
		rest, in, out  int64
		fits           bool
	}{
		{dst: 0, stride: 1, x: 0, in: 1, out: 1, fits: true},
		{dst: 1, stride: 1, x: taps, in: 1, out: 1, fits: true},
		{dst: 1, stride: 1, x: taps - 1, in: 1, out: 1},
		{dst: 100, stride: 1, x: taps + 99, in: 1, out: 1, fits: true},
		{dst: 100, stride: 1, x: taps + 98, in: 1, out: 1},
		{dst: 199, stride: 2, x: taps + 99, in: 1, out: 1, fits: true},
		{dst: 100, stride: 1, x: taps + 49, rest: 1, in: 1, out: 2},
		{dst: 100, stride: 1, x: taps + 50, rest: 1, in: 1, out: 2, fits: true},
		{dst: 3, stride: 1, x: 1 << 16, in: 1 << 58, out: 1},
		{dst: 2, stride: 1, x: taps + 1, rest: 1<<58 - 1, in: 1<<58 - 2, out: 1 << 58, fits: true},
		{dst: 1, stride: 1, x: taps, rest: 2, in: 1, out: 2},
		{dst: 1, stride: 1, x: taps, rest: -1, in: 1, out: 2},
	} {
		func() {
			defer func() {
				if refused := recover() != nil; refused == test.fits {
					t.Errorf("%+v: refused %v", test, refused)
				}
			}()
			k.Resample(make([]float32, test.dst), test.stride, make([]float32, test.x), test.rest, test.in, test.out)
		}()
	}
}
