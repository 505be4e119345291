package seal

import (
	"crypto/cipher"
	"encoding/binary"
)

// The standard library's GCM takes a message whole, and a film does not fit into memory. CTR mode streams; what is
// missing is GHASH, the checksum, and computing it in plain Go would be many times slower than the processor's own
// instructions, which the library uses but does not hand out. It does hand out their result: the tag of a message that
// is all additional data and no text is
//
//	tag = A1·H^(m+1) + A2·H^m + … + Am·H^2 + L·H + E(J)
//
// where A1…Am are the blocks of the data, L is the block with its length, and E(J) a block that we can compute. So the
// sum over a chunk, A1·H^m + … + Am·H, is (tag + E(J) + L·H)·H^-1: the library's speed per byte, and two
// multiplications in plain Go per chunk. Chunks are joined by X = X·H^m + chunk.
//
// Source: NIST SP 800-38D, sections 6.4 and 7.1. The tests hold it to the library's own GCM.

// element is of GF(2^128) as GCM writes it: the first bit of the block, the coefficient of x^0, is the highest of hi.
type element struct{ hi, lo uint64 }

func elementOf(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (a element) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return b
}

func (a element) plus(b element) element { return element{a.hi ^ b.hi, a.lo ^ b.lo} }

// times multiplies bit by bit, in the same time whatever the bits are: SP 800-38D, algorithm 1.
func (a element) times(b element) element {
	var z element
	for i := range 128 {
		word := a.hi
		if i >= 64 {
			word = a.lo
		}
		take := -(word >> (63 - i%64) & 1)
		z.hi ^= b.hi & take
		z.lo ^= b.lo & take
		reduce := -(b.lo & 1)
		b.lo = b.lo>>1 | b.hi<<63
		b.hi = b.hi>>1 ^ reduce&0xe1<<56
	}
	return z
}

// one is the neutral element of times.
var one = element{hi: 1 << 63}

// power is a to the n.
func (a element) power(n uint64) element {
	z := one
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			z = z.times(a)
		}
		a = a.times(a)
	}
	return z
}

// inverse is a to the 2^128 - 2, which times a is one for every a but zero.
func (a element) inverse() element {
	z := one
	for range 127 {
		a = a.times(a)
		z = z.times(a)
	}
	return z
}

// ghash sums up a message that comes in pieces. Its first byte comes first; nothing precedes the message.
type ghash struct {
	gcm     cipher.AEAD
	mask    element // E(J) of the nonce that is used for summing
	h       element
	inverse element // of h
	step    element // h to the number of blocks in a full chunk
	sum     element
	length  uint64
	rest    []byte // less than a chunk that has not been summed yet
	tag     []byte
}

// ghashChunk is how many bytes are summed at once: so many that the two multiplications do not matter.
const ghashChunk = 64 << 10

func newGHASH(block cipher.Block) (*ghash, error) {
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	g := &ghash{gcm: gcm, rest: make([]byte, 0, ghashChunk)}
	var b [16]byte
	block.Encrypt(b[:], b[:])
	g.h = elementOf(b[:])
	b = [16]byte{15: 1} // the counter block of the nonce of twelve zero bytes
	block.Encrypt(b[:], b[:])
	g.mask = elementOf(b[:])
	g.inverse = g.h.inverse()
	g.step = g.h.power(ghashChunk / 16)
	return g, nil
}

func (g *ghash) write(p []byte) {
	g.length += uint64(len(p))
	if len(g.rest) > 0 {
		n := min(ghashChunk-len(g.rest), len(p))
		g.rest, p = append(g.rest, p[:n]...), p[n:]
		if len(g.rest) < ghashChunk {
			return
		}
		g.add(g.rest, g.step)
		g.rest = g.rest[:0]
	}
	for len(p) >= ghashChunk {
		g.add(p[:ghashChunk], g.step)
		p = p[ghashChunk:]
	}
	g.rest = append(g.rest, p...)
}

// add joins the sum of chunk, whose last block is filled up with zeros, to that of what came before.
func (g *ghash) add(chunk []byte, step element) {
	var nonce [12]byte
	g.tag = g.gcm.Seal(g.tag[:0], nonce[:], nil, chunk)
	bits := element{hi: uint64(len(chunk)) * 8}
	s := elementOf(g.tag).plus(g.mask).plus(bits.times(g.h)).times(g.inverse)
	g.sum = g.sum.times(step).plus(s)
}

// final is the sum over the message and its length. No more may be written after it.
func (g *ghash) final() element {
	if len(g.rest) > 0 {
		g.add(g.rest, g.h.power(uint64(len(g.rest)+15)/16))
	}
	return g.sum.plus(element{lo: g.length * 8}).times(g.h)
}
