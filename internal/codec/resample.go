package codec

// #include "codec.h"
// #cgo noescape rr_resample
// #cgo nocallback rr_resample
import "C"

import (
	"math/bits"
	"unsafe"
)

// Taps and phases of a [Kernel].
const (
	KernelTaps   = C.RR_TAPS
	KernelPhases = C.RR_PHASES
)

// Kernel is a filter for resampling, by phase: row p has the taps of an output sample that lies p/KernelPhases after an input sample.
// Between rows, taps are interpolated linearly.
type Kernel [KernelPhases + 1][KernelTaps]float32

// Resample writes every stride-th of dst, from the first on. Output sample k lies (rest + k*in)/out input samples after the place of the
// first tap in x, apart from the taps' own place. in and out are positive and at most 2^58; rest is at least 0 and less than out.
// It panics when x has too few samples.
func (k *Kernel) Resample(dst []float32, stride int, x []float32, rest, in, out int64) {
	count := (len(dst) + stride - 1) / stride
	if count == 0 {
		return
	}
	hi, lo := bits.Mul64(uint64(count-1), uint64(in))
	lo, carry := bits.Add64(lo, uint64(rest), 0)
	if hi += carry; rest < 0 || rest >= out || hi >= uint64(out) {
		panic("codec: resample beyond any input")
	}
	if last, _ := bits.Div64(hi, lo, uint64(out)); last+KernelTaps > uint64(len(x)) {
		panic("codec: resample beyond the input")
	}
	C.rr_resample((*[KernelTaps]C.float)(unsafe.Pointer(k)), (*C.float)(unsafe.SliceData(x)), C.int64_t(rest), C.int64_t(in), C.int64_t(out),
		(*C.float)(unsafe.SliceData(dst)), C.int(stride), C.int(count))
}
