package matroska

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// appendID appends an element ID.
func appendID(b []byte, id uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if id>>shift != 0 {
			b = append(b, byte(id>>shift))
		}
	}
	return b
}

// sizeLen returns how many bytes appendSize takes. All ones are kept free: they mean unknown.
func sizeLen(size int64) int64 {
	return int64(bits.Len64(uint64(size)+1)+6) / 7
}

// appendSize appends an element's size in as few bytes as possible.
func appendSize(b []byte, size int64) []byte {
	n := sizeLen(size)
	return appendWideSize(b, size, int(n))
}

// appendWideSize appends an element's size in n bytes.
func appendWideSize(b []byte, size int64, n int) []byte {
	v := uint64(size) | 1<<(7*n)
	for shift := 8 * (n - 1); shift >= 0; shift -= 8 {
		b = append(b, byte(v>>shift))
	}
	return b
}

// element returns an element with the given parts as its body.
func element(id uint32, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := make([]byte, 0, 12+n)
	b = appendSize(appendID(b, id), int64(n))
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func uintElement(id uint32, v uint64) []byte {
	n := max(1, (bits.Len64(v)+7)/8)
	return element(id, binary.BigEndian.AppendUint64(nil, v)[8-n:])
}

// wideElement is an unsigned integer in eight bytes, for values that are known only after the sizes around them.
func wideElement(id uint32, v uint64) []byte {
	return element(id, binary.BigEndian.AppendUint64(nil, v))
}

func floatElement(id uint32, v float64) []byte {
	return element(id, binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
}

func textElement(id uint32, s string) []byte { return element(id, []byte(s)) }
