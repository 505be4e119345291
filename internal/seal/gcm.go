package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// maxGCM is the most bytes that GCM encrypts under one nonce: its counter has 32 bits, and two values are reserved.
// Source: NIST SP 800-38D, section 5.2.1.1.
const maxGCM = (1<<32 - 2) * 16

// gcmStream is AES-GCM with a nonce of 12 bytes and no additional data, over a message in pieces.
type gcmStream struct {
	ctr  cipher.Stream
	hash *ghash
	mask [16]byte // encrypts the checksum, which gives the tag
}

func newGCMStream(key, nonce []byte) (*gcmStream, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(nonce) != 12 {
		return nil, fmt.Errorf("a nonce of %d bytes", len(nonce))
	}
	s := new(gcmStream)
	if s.hash, err = newGHASH(block); err != nil {
		return nil, err
	}
	counter := [16]byte{15: 1}
	copy(counter[:], nonce)
	block.Encrypt(s.mask[:], counter[:])
	counter[15] = 2
	s.ctr = cipher.NewCTR(block, counter[:])
	return s, nil
}

// encrypt encrypts src into dst, which may be the same.
func (s *gcmStream) encrypt(dst, src []byte) {
	s.ctr.XORKeyStream(dst, src)
	s.hash.write(dst[:len(src)])
}

// decrypt decrypts src into dst, which may be the same. Nothing is authenticated before check.
func (s *gcmStream) decrypt(dst, src []byte) {
	s.hash.write(src)
	s.ctr.XORKeyStream(dst, src)
}

// tag ends the message and returns its tag.
func (s *gcmStream) tag() [16]byte {
	sum := s.hash.final().bytes()
	subtle.XORBytes(sum[:], sum[:], s.mask[:])
	return sum
}

// check ends the message and reports whether tag is its tag.
func (s *gcmStream) check(tag []byte) bool {
	want := s.tag()
	return subtle.ConstantTimeCompare(want[:], tag) == 1
}

// The standard library's GCM takes a whole message, and a film does not fit into memory. Its CTR mode streams, so what is
// missing is GHASH, the checksum. In plain Go GHASH would be many times slower than the processor's instructions, which the
// library uses but does not export. It exports their result: the tag of a message that is all additional data and no text
// is
//
//	tag = A1·H^(m+1) + A2·H^m + … + Am·H^2 + L·H + E(J)
//
// where A1…Am are the blocks of the data, L is the block with its length, and E(J) is a block that we can compute. So the
// sum over a chunk, A1·H^m + … + Am·H, is (tag + E(J) + L·H)·H^-1: the library's speed for every byte, and two
// multiplications in plain Go for each chunk. X = X·H^m + chunk joins the chunks.
//
// Source: NIST SP 800-38D, sections 6.4 and 7.1. The tests compare it with the library's own GCM.

// element is an element of GF(2^128) in GCM's order of bits: the first bit of the block, the coefficient of x^0, is the
// highest bit of hi.
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

// times multiplies bit by bit, in constant time: SP 800-38D, algorithm 1.
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

// inverse is a to the 2^128 - 2. Its product with a is one, unless a is zero.
func (a element) inverse() element {
	z := one
	for range 127 {
		a = a.times(a)
		z = z.times(a)
	}
	return z
}

// ghash computes GHASH of a message in pieces, without additional data.
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

// ghashChunk is how many bytes are summed at once: enough to make the cost of the two multiplications negligible.
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

// add joins the sum of chunk, whose last block is padded with zeros, to the sum of the chunks before it.
func (g *ghash) add(chunk []byte, step element) {
	var nonce [12]byte
	g.tag = g.gcm.Seal(g.tag[:0], nonce[:], nil, chunk)
	bits := element{hi: uint64(len(chunk)) * 8}
	s := elementOf(g.tag).plus(g.mask).plus(bits.times(g.h)).times(g.inverse)
	g.sum = g.sum.times(step).plus(s)
}

// final returns the sum over the message and its length. Nothing may be written after it.
func (g *ghash) final() element {
	if len(g.rest) > 0 {
		g.add(g.rest, g.h.power(uint64(len(g.rest)+15)/16))
	}
	return g.sum.plus(element{lo: g.length * 8}).times(g.h)
}
