package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"

	"roomreel"
)

// twilioWriter encrypts with AES-256 in CBC mode. It pads the last block according to PKCS#7: with one to sixteen bytes that
// each hold the number of padding bytes.
type twilioWriter struct {
	w    io.Writer
	mode cipher.BlockMode
	rest []byte // less than a block, not encrypted yet
	buf  []byte
}

func newTwilioWriter(w io.Writer, key *rsa.PublicKey, e *roomreel.Envelope) (*twilioWriter, error) {
	secret := make([]byte, 32)
	e.IV = make([]byte, aes.BlockSize)
	rand.Read(secret)
	rand.Read(e.IV)
	var err error
	// Existing decrypters expect this padding.
	//lint:ignore SA1019 the format requires it
	if e.WrappedKey, err = rsa.EncryptPKCS1v15(rand.Reader, key, secret); err != nil {
		return nil, fmt.Errorf("wrap the key: %w", err)
	}
	return twilioWriterWith(w, secret, e.IV)
}

func twilioWriterWith(w io.Writer, secret, iv []byte) (*twilioWriter, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return &twilioWriter{w: w, mode: cipher.NewCBCEncrypter(block, iv), rest: make([]byte, 0, aes.BlockSize), buf: make([]byte, 64<<10)}, nil
}

func (t *twilioWriter) Write(p []byte) (int, error) {
	done := 0
	if len(t.rest) > 0 {
		n := min(aes.BlockSize-len(t.rest), len(p))
		t.rest = append(t.rest, p[:n]...)
		done, p = n, p[n:]
		if len(t.rest) < aes.BlockSize {
			return done, nil
		}
		t.mode.CryptBlocks(t.buf[:aes.BlockSize], t.rest)
		t.rest = t.rest[:0]
		if _, err := t.w.Write(t.buf[:aes.BlockSize]); err != nil {
			return done, err
		}
	}
	for len(p) >= aes.BlockSize {
		n := min(len(p)/aes.BlockSize*aes.BlockSize, len(t.buf))
		t.mode.CryptBlocks(t.buf[:n], p[:n])
		if _, err := t.w.Write(t.buf[:n]); err != nil {
			return done, err
		}
		done, p = done+n, p[n:]
	}
	t.rest = append(t.rest, p...)
	return done + len(p), nil
}

func (t *twilioWriter) Close() error {
	padding := aes.BlockSize - len(t.rest)
	for range padding {
		t.rest = append(t.rest, byte(padding))
	}
	t.mode.CryptBlocks(t.rest, t.rest)
	_, err := t.w.Write(t.rest)
	return err
}

func openTwilio(r io.Reader, e roomreel.Envelope, key *rsa.PrivateKey) (io.Reader, error) {
	if len(e.IV) != aes.BlockSize {
		return nil, fmt.Errorf("%w: the initialization vector (x-amz-iv) has %d bytes instead of %d", ErrDamaged, len(e.IV), aes.BlockSize)
	}
	if len(e.WrappedKey) != key.Size() {
		return nil, fmt.Errorf("%w: the wrapped key (x-amz-key) was made for an RSA key of %d bits, and this one has %d",
			ErrWrongKey, len(e.WrappedKey)*8, key.Size()*8)
	}
	//lint:ignore SA1019 the format requires it
	secret, err := rsa.DecryptPKCS1v15(nil, key, e.WrappedKey)
	if err != nil {
		return nil, ErrWrongKey
	}
	if len(secret) != 16 && len(secret) != 32 { // Twilio's older recordings have 128-bit keys
		return nil, fmt.Errorf("%w: the unwrapped key has %d bytes", ErrWrongKey, len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return &twilioReader{r: r, mode: cipher.NewCBCDecrypter(block, e.IV), buf: make([]byte, 64<<10), left: e.ContentLength}, nil
}

// twilioReader decrypts. It holds one block back, because the last block contains the padding.
type twilioReader struct {
	r     io.Reader
	mode  cipher.BlockMode
	buf   []byte
	plain []byte // decrypted, not returned yet
	kept  [aes.BlockSize]byte
	have  int   // bytes in kept
	left  int64 // bytes of plaintext that must follow according to the metadata
	err   error
}

func (t *twilioReader) Read(p []byte) (int, error) {
	for len(t.plain) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		t.fill()
	}
	n := copy(p, t.plain)
	t.plain = t.plain[n:]
	return n, nil
}

// fill decrypts the block that was held back and the next bytes, when everything before has been returned.
func (t *twilioReader) fill() {
	copy(t.buf, t.kept[:t.have])
	n, err := io.ReadFull(t.r, t.buf[t.have:])
	t.have += n
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		t.last()
		return
	case err != nil:
		t.err = err
		return
	}
	body := t.buf[:len(t.buf)-aes.BlockSize]
	t.have = copy(t.kept[:], t.buf[len(body):])
	t.mode.CryptBlocks(body, body)
	if t.left -= int64(len(body)); t.left < 0 {
		t.err = fmt.Errorf("%w: it is longer than its metadata says (x-amz-unencrypted-content-length)", ErrDamaged)
		return
	}
	t.plain = body
}

func (t *twilioReader) last() {
	body := t.buf[:t.have]
	if len(body) == 0 || len(body)%aes.BlockSize != 0 {
		t.err = fmt.Errorf("%w: it does not end with a whole block", ErrDamaged)
		return
	}
	t.mode.CryptBlocks(body, body)
	padding := int(body[len(body)-1])
	if padding < 1 || padding > aes.BlockSize {
		t.err = fmt.Errorf("%w: its padding is wrong", ErrDamaged)
		return
	}
	for _, b := range body[len(body)-padding:] {
		if int(b) != padding {
			t.err = fmt.Errorf("%w: its padding is wrong", ErrDamaged)
			return
		}
	}
	t.plain = body[:len(body)-padding]
	if int64(len(t.plain)) != t.left {
		t.plain, t.err = nil, fmt.Errorf("%w: its length differs from that in its metadata (x-amz-unencrypted-content-length)", ErrDamaged)
		return
	}
	t.err = io.EOF
}
