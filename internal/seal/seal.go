// Package seal turns media into bytes that only the holder of a private key can read, and back.
//
// Customers can choose from two seals. "twilio" is Twilio's envelope, byte for byte: AES-256-CBC with the key wrapped by RSA
// in the object's metadata. Damage to it can go unnoticed. "cms-gcm" is a CMS message that openssl opens, in which any
// missing or altered bit is an error. A third format, [AtRest], is for the service's own working copies, which it reads at
// any position. All of them work on streams of any length in constant memory. The ciphers are the standard library's.
// docs/encryption.md specifies the bytes. Start with [NewWriter].
package seal

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"

	"roomreel"
)

// The names of the seals, as in the configuration and in roomreel.Envelope.
const (
	Twilio = "twilio"
	CMS    = "cms-gcm"
)

// ErrDamaged is returned, wrapped, for sealed bytes that are cut short, altered, or not what they should be.
var ErrDamaged = errors.New("the sealed media is damaged or incomplete")

// ErrWrongKey is returned, wrapped, when the private key is not the one that belongs to the seal.
var ErrWrongKey = errors.New("the private key is not the one that this media was sealed for")

// Writer seals what is written to it.
type Writer struct {
	envelope roomreel.Envelope
	size     int64
	left     int64 // bytes of plaintext still to be written
	inner    io.WriteCloser
	closed   bool
}

// NewWriter returns a Writer that seals exactly length bytes for key into w, under a new random key. Nothing is written to w
// before the first Write or Close.
func NewWriter(w io.Writer, seal string, key *rsa.PublicKey, length int64) (*Writer, error) {
	if length < 0 {
		return nil, fmt.Errorf("seal: %d bytes cannot be sealed", length)
	}
	s := &Writer{left: length, envelope: roomreel.Envelope{Seal: seal, ContentLength: length}}
	var err error
	switch seal {
	case Twilio:
		s.inner, err = newTwilioWriter(w, key, &s.envelope)
		s.size = length/16*16 + 16
	case CMS:
		s.inner, s.size, err = newCMSWriter(w, key, length)
	default:
		return nil, fmt.Errorf("seal: unknown seal %q", seal)
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s, nil
}

// Envelope describes how the bytes are sealed. The caller sets PublicKeySID.
func (s *Writer) Envelope() roomreel.Envelope { return s.envelope }

// Size is the number of bytes of the complete sealed object.
func (s *Writer) Size() int64 { return s.size }

func (s *Writer) Write(p []byte) (int, error) {
	if int64(len(p)) > s.left {
		return 0, fmt.Errorf("seal: more than the announced %d bytes were written", s.envelope.ContentLength)
	}
	n, err := s.inner.Write(p)
	s.left -= int64(n)
	return n, err
}

// Close writes the end of the seal. It fails if fewer bytes were written than announced. It does not close w, and does
// nothing the second time.
func (s *Writer) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.left > 0 {
		return fmt.Errorf("seal: %d of the announced %d bytes are missing: %w", s.left, s.envelope.ContentLength, io.ErrUnexpectedEOF)
	}
	return s.inner.Close()
}

// Reader seals what it reads from another reader. It is a Writer as a reader, for blob.Store.Put.
type Reader struct {
	*pullReader
	w *Writer
}

// NewReader returns a Reader that seals the length bytes of r.
func NewReader(r io.Reader, seal string, key *rsa.PublicKey, length int64) (*Reader, error) {
	p := &pullReader{from: r}
	w, err := NewWriter(&p.out, seal, key, length)
	if err != nil {
		return nil, err
	}
	p.into = w
	return &Reader{p, w}, nil
}

// Envelope describes how the bytes are sealed.
func (r *Reader) Envelope() roomreel.Envelope { return r.w.Envelope() }

// Size is the number of bytes of the complete sealed object.
func (r *Reader) Size() int64 { return r.w.Size() }

// pullReader turns a writer into a reader: it reads from, writes that to into, and returns what into wrote to out.
type pullReader struct {
	from io.Reader
	into io.WriteCloser
	out  bytes.Buffer
	buf  []byte
	err  error
}

func (p *pullReader) Read(b []byte) (int, error) {
	for p.out.Len() == 0 {
		if p.err != nil {
			return 0, p.err
		}
		if p.buf == nil {
			p.buf = make([]byte, 64<<10)
		}
		n, err := p.from.Read(p.buf)
		if n > 0 {
			if _, e := p.into.Write(p.buf[:n]); e != nil {
				err = e
			}
		}
		if err == io.EOF {
			if e := p.into.Close(); e != nil {
				err = e
			}
		}
		p.err = err
	}
	return p.out.Read(b)
}

// Open returns the plaintext of the sealed bytes in r. It is authenticated only when the reader has returned io.EOF, so do
// not use a part before. e needs only its Seal for cms-gcm.
//
// The errors are ErrWrongKey and ErrDamaged, wrapped, and those of r.
func Open(r io.Reader, e roomreel.Envelope, key *rsa.PrivateKey) (io.Reader, error) {
	switch e.Seal {
	case Twilio:
		return openTwilio(r, e, key)
	case CMS:
		return openCMS(r, key)
	}
	return nil, fmt.Errorf("seal: unknown seal %q", e.Seal)
}

// The names of an object's user metadata, without the prefix x-amz-meta- of the headers.
//
// Source: twilio.com/docs/video/api/encrypted-recordings; they are those of Amazon's S3 encryption client, version 1.
const (
	metaKey     = "x-amz-key"
	metaIV      = "x-amz-iv"
	metaLength  = "x-amz-unencrypted-content-length"
	metaMatdesc = "x-amz-matdesc"
	metaSeal    = "x-roomreel-seal" // only where the seal is not Twilio's
)

// Metadata is the user metadata that must be stored with an object, for blob.PutOptions.
func Metadata(e roomreel.Envelope) map[string]string {
	if e.Seal == CMS {
		return map[string]string{metaSeal: CMS, metaLength: strconv.FormatInt(e.ContentLength, 10)}
	}
	return map[string]string{
		metaKey:     base64.StdEncoding.EncodeToString(e.WrappedKey),
		metaIV:      base64.StdEncoding.EncodeToString(e.IV),
		metaLength:  strconv.FormatInt(e.ContentLength, 10),
		metaMatdesc: "{}",
	}
}

// Headers are the HTTP headers that a download of the object must have: the Metadata under its names as headers.
func Headers(e roomreel.Envelope) map[string]string {
	headers := make(map[string]string)
	for name, value := range Metadata(e) {
		headers["x-amz-meta-"+name] = value
	}
	return headers
}

// ContentType is that of a sealed object.
func ContentType(e roomreel.Envelope) string {
	if e.Seal == CMS {
		return "application/cms" // RFC 7193
	}
	return "application/octet-stream"
}
