package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// AtRest encrypts the service's own working copies under a key of the service. A copy consists of chunks, and each chunk is
// authenticated together with its position and with whether it is the last. A copy that was truncated, reordered, altered,
// or stored under another name is an error. Any part can be read without the parts before it.
//
// A copy is a header of 40 bytes (the text "RRSEAL1\n" and a random salt of 32 bytes) and chunks of 65,536 bytes of
// plaintext with a tag of 16 bytes each. The last chunk is shorter; it is empty only if the copy is. The key of a copy is
// HKDF-SHA256 of the service's key, the salt, and the text "roomreel at rest: " followed by the copy's name. The nonce of a
// chunk is its number in eleven bytes, highest first, and a byte that is 1 for the last chunk and 0 for the others. Each
// chunk is AES-256-GCM.
//
// The construction is STREAM: Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its
// Nonce-Reuse Misuse-Resistance", 2015.
type AtRest struct {
	secret []byte
}

const (
	restMagic  = "RRSEAL1\n"
	restHeader = len(restMagic) + 32
	restChunk  = 64 << 10
	restSealed = restChunk + gcmTag
	restInfo   = "roomreel at rest: "
)

// NewAtRest returns the encryption under the service's key of 32 bytes or more.
func NewAtRest(key []byte) (*AtRest, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("seal: a key of %d bytes is too short for media at rest: 32 are needed", len(key))
	}
	return &AtRest{append([]byte(nil), key...)}, nil
}

// Size is the number of bytes of a copy of length bytes.
func (a *AtRest) Size(length int64) int64 {
	chunks := max(1, (length+restChunk-1)/restChunk)
	return int64(restHeader) + length + chunks*gcmTag
}

func (a *AtRest) cipher(salt []byte, name string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, a.secret, salt, restInfo+name, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func restNonce(chunk int64, last bool) []byte {
	var nonce [12]byte
	binary.BigEndian.PutUint64(nonce[3:], uint64(chunk))
	if last {
		nonce[11] = 1
	}
	return nonce[:]
}

type restWriter struct {
	w      io.Writer
	header []byte // still to be written
	aead   cipher.AEAD
	plain  []byte
	sealed []byte
	chunk  int64
	closed bool
}

// NewWriter returns a writer that encrypts into w under name. The reader must give the same name. Close writes the end and
// does not close w.
func (a *AtRest) NewWriter(w io.Writer, name string) (io.WriteCloser, error) {
	salt := make([]byte, 32)
	rand.Read(salt)
	return a.writerWith(w, name, salt)
}

func (a *AtRest) writerWith(w io.Writer, name string, salt []byte) (io.WriteCloser, error) {
	aead, err := a.cipher(salt, name)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return &restWriter{w: w, header: append([]byte(restMagic), salt...), aead: aead, plain: make([]byte, 0, restChunk), sealed: make([]byte, 0, restSealed)}, nil
}

// NewReader returns a reader of the encrypted copy of r, for blob.Store.Put.
func (a *AtRest) NewReader(r io.Reader, name string) (io.Reader, error) {
	p := &pullReader{from: r}
	w, err := a.NewWriter(&p.out, name)
	if err != nil {
		return nil, err
	}
	p.into = w
	return p, nil
}

func (r *restWriter) Write(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		if len(r.plain) == restChunk { // more follows, so this chunk is not the last
			if err := r.flush(false); err != nil {
				return done, err
			}
		}
		n := min(restChunk-len(r.plain), len(p))
		r.plain = append(r.plain, p[:n]...)
		done, p = done+n, p[n:]
	}
	return done, nil
}

func (r *restWriter) flush(last bool) error {
	if r.header != nil {
		if _, err := r.w.Write(r.header); err != nil {
			return err
		}
		r.header = nil
	}
	r.sealed = r.aead.Seal(r.sealed[:0], restNonce(r.chunk, last), r.plain, nil)
	r.plain = r.plain[:0]
	r.chunk++
	_, err := r.w.Write(r.sealed)
	return err
}

func (r *restWriter) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.flush(true)
}

// RestReader reads a working copy at any position. It may be used concurrently.
type RestReader struct {
	from io.ReaderAt
	aead cipher.AEAD
	size int64 // of the plaintext

	mu     sync.Mutex // of the one chunk that is kept for callers that read on in small pieces
	number int64
	kept   []byte
}

// Open returns a reader of the copy of size bytes in from that was written under name. It reads the header and the last
// chunk, so that it finds a truncated copy. It does not close from.
func (a *AtRest) Open(from io.ReaderAt, size int64, name string) (*RestReader, error) {
	header := make([]byte, restHeader)
	if size < int64(restHeader)+gcmTag {
		return nil, fmt.Errorf("seal: %w: a working copy of %d bytes", ErrDamaged, size)
	}
	if n, err := from.ReadAt(header, 0); n < len(header) {
		return nil, fmt.Errorf("seal: read a working copy: %w", err)
	}
	if string(header[:len(restMagic)]) != restMagic {
		return nil, fmt.Errorf("seal: %w: it does not start like a working copy", ErrDamaged)
	}
	aead, err := a.cipher(header[len(restMagic):], name)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	body := size - int64(restHeader)
	chunks := (body + restSealed - 1) / restSealed
	if body-(chunks-1)*restSealed < gcmTag || chunks > 1 && body-(chunks-1)*restSealed == gcmTag {
		return nil, fmt.Errorf("seal: %w: a working copy of %d bytes", ErrDamaged, size)
	}
	r := &RestReader{from: from, aead: aead, size: body - chunks*gcmTag, number: -1}
	last, err := r.chunks(make([]byte, restSealed), chunks-1, chunks)
	if err != nil {
		return nil, err
	}
	r.number, r.kept = chunks-1, last
	return r, nil
}

// Size is the number of bytes of plaintext.
func (r *RestReader) Size() int64 { return r.size }

func (r *RestReader) count() int64 { return max(1, (r.size+restChunk-1)/restChunk) }

// chunks reads the chunks from first to before end in one read, and decrypts them in place into buf.
func (r *RestReader) chunks(buf []byte, first, end int64) ([]byte, error) {
	total := int64(restHeader) + r.size + r.count()*gcmTag
	from := int64(restHeader) + first*restSealed
	sealed := buf[:min(int64(restHeader)+end*restSealed, total)-from]
	if n, err := r.from.ReadAt(sealed, from); n < len(sealed) {
		if err == io.EOF {
			err = errors.Join(ErrDamaged, io.ErrUnexpectedEOF)
		}
		return nil, fmt.Errorf("seal: read a working copy: %w", err)
	}
	plain := sealed[:0] // plaintext is shorter than ciphertext, so writing stays behind reading
	for i := first; i < end; i++ {
		chunk := sealed[(i-first)*restSealed:]
		chunk = chunk[:min(restSealed, len(chunk))]
		opened, err := r.aead.Open(chunk[:0], restNonce(i, i == r.count()-1), chunk, nil)
		if err != nil {
			return nil, fmt.Errorf("seal: %w: chunk %d of a working copy, or the copy of another name or key", ErrDamaged, i)
		}
		plain = append(plain, opened...)
	}
	return plain, nil
}

// restPiece is how many chunks are read and decrypted at a time. One request to a bucket is enough for what compositions
// read at once, and memory does not grow with the length of a read.
const restPiece = 8

var restBuffers = sync.Pool{New: func() any { return new([restPiece * restSealed]byte) }}

// ReadAt implements io.ReaderAt. The error for damage is ErrDamaged, wrapped. It returns no byte of a damaged chunk.
func (r *RestReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("seal: read at %d", off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	for n := 0; n < len(want); {
		got, err := r.piece(want[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		n += got
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// piece reads at least one byte of p, and as much as one read of the copy gives.
func (r *RestReader) piece(p []byte, off int64) (int, error) {
	first, skip := off/restChunk, off%restChunk
	if plain := r.keptChunk(first); plain != nil {
		return copy(p, plain[skip:]), nil
	}
	end := min(first+restPiece, (off+int64(len(p))-1)/restChunk+1)
	buf := restBuffers.Get().(*[restPiece * restSealed]byte)
	defer restBuffers.Put(buf)
	plain, err := r.chunks(buf[:], first, end)
	if err != nil {
		return 0, err
	}
	n := copy(p, plain[skip:])
	if int64(n)+skip < int64(len(plain)) { // the caller may read on from the middle of the last chunk
		last := bytes.Clone(plain[(end-1-first)*restChunk:])
		r.mu.Lock()
		r.number, r.kept = end-1, last
		r.mu.Unlock()
	}
	return n, nil
}

// keptChunk returns the kept chunk if it has this number.
func (r *RestReader) keptChunk(number int64) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.number != number {
		return nil
	}
	return r.kept
}
