package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"

	"roomreel"
)

// The vectors are files of testdata, so that implementations in other languages can use them; docs/encryption.md describes
// them. The tests seal the same plaintext with the same key and nonces and compare the bytes. RSA padding is random, so the
// wrapped keys come from the files.

var vectorPlain = []byte("roomreel test vector: the quick brown fox jumps over the lazy dog")

func vector(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sequence(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func TestVectors_Twilio(t *testing.T) {
	key, err := ParsePrivateKey(vector(t, "private_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseMetadata(vector(t, "twilio.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := vector(t, "twilio.enc")
	if got, err := opened(bytes.NewReader(want), e, key); err != nil || !bytes.Equal(got, vectorPlain) {
		t.Errorf("opened: %q, %v", got, err)
	}
	var out bytes.Buffer
	w, err := twilioWriterWith(&out, sequence(0, 32), sequence(0x40, 16))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(vectorPlain)
	if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("written: %x, %v; want %x", out.Bytes(), err, want)
	}
}

func TestVectors_CMS(t *testing.T) {
	key, err := ParsePrivateKey(vector(t, "private_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	want := vector(t, "cms-gcm.der")
	if got, err := opened(bytes.NewReader(want), roomreel.Envelope{Seal: CMS}, key); err != nil || !bytes.Equal(got, vectorPlain) {
		t.Errorf("opened: %q, %v", got, err)
	}
	if got := openssl(t, want, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", "testdata/private_key.pem"); !bytes.Equal(got, vectorPlain) {
		t.Errorf("opened by openssl: %q", got)
	}
	wrapped := vector(t, "cms-gcm.wrapped")
	var out bytes.Buffer
	w, _, err := cmsWriterWith(&out, &key.PublicKey, int64(len(vectorPlain)), sequence(0, 32), sequence(0x40, 12), wrapped)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(vectorPlain)
	if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("written: %x, %v; want %x", out.Bytes(), err, want)
	}
}

// TestVectors_AtRest compares the SHA-256 of a working copy of two chunks with a known salt.
func TestVectors_AtRest(t *testing.T) {
	a, err := NewAtRest(sequence(0, 32))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := a.writerWith(&out, "AC1/RT1.mkv", sequence(0x40, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(bytes.Repeat([]byte{'a'}, restChunk+1))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(out.Bytes())
	if got, want := hex.EncodeToString(sum[:]), "8c872d46cb76c821e977646eeba1f024c2757ccaeed9f9c1ec68793163cd6bc8"; got != want {
		t.Errorf("%d bytes with SHA-256 %s; want %s", out.Len(), got, want)
	}
}
