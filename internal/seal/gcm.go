package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
)

// maxGCM is the most that GCM encrypts under one nonce: its counter has 32 bits, of which two values are used otherwise.
// Source: NIST SP 800-38D, section 5.2.1.1.
const maxGCM = (1<<32 - 2) * 16

// gcmStream is AES-GCM with a nonce of 12 bytes and no additional data, over a message that comes in pieces.
type gcmStream struct {
	ctr  cipher.Stream
	hash *ghash
	mask [16]byte // what the sum is encrypted with to be the tag
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

// decrypt decrypts src into dst, which may be the same. Nothing is proved before check.
func (s *gcmStream) decrypt(dst, src []byte) {
	s.hash.write(src)
	s.ctr.XORKeyStream(dst, src)
}

// tag ends the message.
func (s *gcmStream) tag() [16]byte {
	sum := s.hash.final().bytes()
	subtle.XORBytes(sum[:], sum[:], s.mask[:])
	return sum
}

// check ends the message, and says whether tag is its.
func (s *gcmStream) check(tag []byte) bool {
	want := s.tag()
	return subtle.ConstantTimeCompare(want[:], tag) == 1
}
