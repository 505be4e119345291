package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Source: McGrew, Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13, 14 and 15 (AES-256).
func TestGCM_KnownAnswers(t *testing.T) {
	for _, v := range []struct{ key, nonce, plain, sealed, tag string }{
		{
			"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
			"530f8afbc74536b9a963b4f1c4cb738b",
		},
		{
			"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
			"00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919",
		},
		{
			"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
			"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
			"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
			"b094dac5d93471bdec1a502270e3cc6c",
		},
	} {
		s, err := newGCMStream(unhex(t, v.key), unhex(t, v.nonce))
		if err != nil {
			t.Fatal(err)
		}
		b := unhex(t, v.plain)
		s.encrypt(b, b)
		tag := s.tag()
		if hex.EncodeToString(b) != v.sealed || hex.EncodeToString(tag[:]) != v.tag {
			t.Errorf("key %s: %x, tag %x; want %s, %s", v.key, b, tag, v.sealed, v.tag)
		}
	}
}

// same encrypts b in pieces of piece bytes and compares with the standard library's GCM of the whole.
func same(t *testing.T, key, nonce, b []byte, piece int) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	want := gcm.Seal(nil, nonce, b, nil)
	s, err := newGCMStream(key, nonce)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for rest := b; len(rest) > 0; {
		n := min(piece, len(rest))
		out := make([]byte, n)
		s.encrypt(out, rest[:n])
		got, rest = append(got, out...), rest[n:]
	}
	tag := s.tag()
	if got = append(got, tag[:]...); !bytes.Equal(got, want) {
		t.Errorf("%d bytes in pieces of %d differ from the library's", len(b), piece)
	}
}

func TestGCM_EqualsTheLibrary(t *testing.T) {
	key, nonce := media(32), media(12)
	for _, length := range lengths {
		for _, piece := range []int{1 << 20, 65_536, 65_535, 1000, 16} {
			same(t, key, nonce, media(length), piece)
		}
	}
}

func FuzzGCM(f *testing.F) {
	f.Add(media(32), media(12), media(100), 7, 1)
	f.Add(media(32), media(12), media(4000), 1000, 50)
	f.Fuzz(func(t *testing.T, key, nonce, b []byte, piece, times int) {
		if len(key) != 32 || len(nonce) != 12 || piece < 1 || len(b) > 1<<16 {
			t.Skip()
		}
		same(t, key, nonce, bytes.Repeat(b, 1+min(64, times&63)), piece)
	})
}

func TestElement_Arithmetic(t *testing.T) {
	a, b, c := elementOf(media(64)[:16]), elementOf(media(64)[16:32]), elementOf(media(64)[32:48])
	if a.times(b) != b.times(a) || a.times(b.times(c)) != a.times(b).times(c) || a.times(b.plus(c)) != a.times(b).plus(a.times(c)) {
		t.Error("times is not commutative, associative and distributive")
	}
	if a.times(one) != a || a.times(a.inverse()) != one || a.power(5) != a.times(a).times(a).times(a).times(a) || a.power(0) != one {
		t.Error("one, inverse and power do not belong together")
	}
}
