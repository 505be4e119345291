package seal

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The message is a ContentInfo of type AuthEnvelopedData in DER, with one recipient and no attributes. Every length is
// known before the first byte is written, so the ciphertext is one piece.
//
// Sources: RFC 5083 (AuthEnvelopedData), RFC 5084 (AES-GCM in CMS), RFC 5652 section 6.2.1 (recipient), RFC 4055
// section 4.1 (RSAES-OAEP).
var (
	oidAuthEnveloped = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 23}
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidAES256GCM     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 46}
	oidOAEP          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidMGF1          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

const (
	gcmTag = 16
	// maxCMSHeader limits what is read before the ciphertext. With an RSA key of 16384 bits that is 2.3 KB.
	maxCMSHeader = 16 << 10
)

type recipientInfo struct {
	Version      int
	SubjectKeyID []byte `asn1:"tag:0"`
	Algorithm    pkix.AlgorithmIdentifier
	EncryptedKey []byte
}

type oaepParams struct {
	Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
}

type gcmParams struct {
	Nonce  []byte
	ICVLen int
}

// cmsWriter writes the header before the first byte of ciphertext, and the tag after the last.
type cmsWriter struct {
	w      io.Writer
	header []byte
	stream *gcmStream
	buf    []byte
}

func newCMSWriter(w io.Writer, key *rsa.PublicKey, length int64) (*cmsWriter, int64, error) {
	if length > maxGCM {
		return nil, 0, fmt.Errorf("%d bytes are more than the limit of %d of the seal %s", length, int64(maxGCM), CMS)
	}
	secret, nonce := make([]byte, 32), make([]byte, 12)
	rand.Read(secret)
	rand.Read(nonce)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, secret, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("wrap the key: %w", err)
	}
	return cmsWriterWith(w, key, length, secret, nonce, wrapped)
}

func cmsWriterWith(w io.Writer, key *rsa.PublicKey, length int64, secret, nonce, wrapped []byte) (*cmsWriter, int64, error) {
	header, err := cmsHeader(key, wrapped, nonce, length)
	if err != nil {
		return nil, 0, err
	}
	stream, err := newGCMStream(secret, nonce)
	if err != nil {
		return nil, 0, err
	}
	size := int64(len(header)) + length + 2 + gcmTag
	return &cmsWriter{w: w, header: header, stream: stream, buf: make([]byte, 64<<10)}, size, nil
}

func (c *cmsWriter) begin() error {
	if c.header == nil {
		return nil
	}
	_, err := c.w.Write(c.header)
	c.header = nil
	return err
}

func (c *cmsWriter) Write(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	done := 0
	for len(p) > 0 {
		n := min(len(p), len(c.buf))
		c.stream.encrypt(c.buf[:n], p[:n])
		if _, err := c.w.Write(c.buf[:n]); err != nil {
			return done, err
		}
		done, p = done+n, p[n:]
	}
	return done, nil
}

func (c *cmsWriter) Close() error {
	if err := c.begin(); err != nil {
		return err
	}
	tag := c.stream.tag()
	_, err := c.w.Write(append([]byte{asn1.TagOctetString, gcmTag}, tag[:]...))
	return err
}

// cmsHeader is everything before the ciphertext of length bytes.
func cmsHeader(key *rsa.PublicKey, wrapped, nonce []byte, length int64) ([]byte, error) {
	sha256ID := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	mgf, err := asn1.Marshal(sha256ID)
	if err != nil {
		return nil, err
	}
	oaep, err := asn1.Marshal(oaepParams{sha256ID, pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: mgf}}})
	if err != nil {
		return nil, err
	}
	// The key identifier is the SHA-1 of the key's PKCS#1 form (RFC 5280 section 4.2.1.2, method 1). It authenticates nothing.
	name := sha1.Sum(x509.MarshalPKCS1PublicKey(key))
	recipient, err := asn1.Marshal(recipientInfo{
		Version: 2, SubjectKeyID: name[:], EncryptedKey: wrapped,
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidOAEP, Parameters: asn1.RawValue{FullBytes: oaep}},
	})
	if err != nil {
		return nil, err
	}
	params, err := asn1.Marshal(gcmParams{nonce, gcmTag})
	if err != nil {
		return nil, err
	}
	algorithm, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oidAES256GCM, Parameters: asn1.RawValue{FullBytes: params}})
	if err != nil {
		return nil, err
	}
	data, err := asn1.Marshal(oidData)
	if err != nil {
		return nil, err
	}
	enveloped, err := asn1.Marshal(oidAuthEnveloped)
	if err != nil {
		return nil, err
	}

	// From the inside out: each header needs the length of what it contains.
	const contextPrimitive, contextConstructed, sequence, set = 0x80, 0xa0, 0x30, 0x31
	content := append(data, algorithm...)
	content = append(content, tlv(contextPrimitive, length)...) // [0] IMPLICIT OCTET STRING
	body := append([]byte{asn1.TagInteger, 1, 0}, tlv(set, int64(len(recipient)))...)
	body = append(body, recipient...)
	body = append(body, tlv(sequence, int64(len(content))+length)...)
	body = append(body, content...)
	bodyLength := int64(len(body)) + length + 2 + gcmTag
	body = append(tlv(sequence, bodyLength), body...)
	outer := tlv(contextConstructed, int64(len(body))+length+2+gcmTag) // [0] EXPLICIT
	body = append(append(enveloped, outer...), body...)
	return append(tlv(sequence, int64(len(body))+length+2+gcmTag), body...), nil
}

// tlv is the tag and the length of a DER element.
func tlv(tag byte, length int64) []byte {
	if length < 0x80 {
		return []byte{tag, byte(length)}
	}
	n := bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, uint64(length)), "\x00")
	return append([]byte{tag, 0x80 | byte(len(n))}, n...)
}

var errNotCMS = errors.New("it is not a CMS message of this seal (AuthEnvelopedData with AES-256-GCM and RSA-OAEP)")

// openCMS reads the header and unwraps the key.
func openCMS(r io.Reader, key *rsa.PrivateKey) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	h, err := readCMSHeader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(h.wrapped) != key.Size() {
		return nil, fmt.Errorf("%w: it was sealed for an RSA key of %d bits, and this one has %d", ErrWrongKey, len(h.wrapped)*8, key.Size()*8)
	}
	secret, err := rsa.DecryptOAEP(sha256.New(), nil, key, h.wrapped, nil)
	if err != nil {
		return nil, ErrWrongKey
	}
	if len(secret) != 32 {
		return nil, fmt.Errorf("%w: the unwrapped key has %d bytes", ErrWrongKey, len(secret))
	}
	stream, err := newGCMStream(secret, h.nonce)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &cmsReader{in: in, stream: stream, left: h.length}, nil
}

type cmsReader struct {
	in     *bufio.Reader
	stream *gcmStream
	left   int64
	err    error
}

func (c *cmsReader) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if c.left == 0 {
		c.err = c.end()
		return 0, c.err
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.stream.decrypt(p[:n], p[:n])
	c.left -= int64(n)
	if err == io.EOF && c.left > 0 {
		err = fmt.Errorf("%w: %d bytes of it are missing", ErrDamaged, c.left+2+gcmTag)
	}
	if err == io.EOF {
		err = nil // the next read looks for the tag
	}
	c.err = err
	return n, err
}

// end compares the tag and checks that nothing follows it.
func (c *cmsReader) end() error {
	var mac [2 + gcmTag]byte
	if _, err := io.ReadFull(c.in, mac[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: its end is missing", ErrDamaged)
		}
		return err
	}
	if mac[0] != asn1.TagOctetString || mac[1] != gcmTag || !c.stream.check(mac[2:]) {
		return fmt.Errorf("%w: its authentication tag does not match", ErrDamaged)
	}
	if _, err := c.in.ReadByte(); err != io.EOF {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: bytes follow its end", ErrDamaged)
	}
	return io.EOF
}

type cmsHead struct {
	wrapped, nonce []byte
	length         int64 // of the ciphertext
}

// readCMSHeader reads what cmsHeader writes. It is strict: lengths must agree with each other, and only the algorithms of
// this seal are accepted.
func readCMSHeader(in *bufio.Reader) (cmsHead, error) {
	d := &der{in: in, limit: maxCMSHeader}
	all := d.begin(0x30)
	allEnd := d.at + all
	d.expectOID(oidAuthEnveloped)
	d.sameEnd(d.begin(0xa0), allEnd)
	d.sameEnd(d.begin(0x30), allEnd)
	if version := d.value(asn1.TagInteger); d.err == nil && !bytes.Equal(version, []byte{0}) {
		d.err = errNotCMS
	}
	var recipient recipientInfo
	d.unmarshal(d.value(0x31), &recipient)
	content := d.begin(0x30)
	contentEnd := d.at + content
	d.expectOID(oidData)
	var algorithm pkix.AlgorithmIdentifier
	d.element(&algorithm)
	length := d.begin(0x80)
	d.sameEnd(length, contentEnd)
	d.sameEnd(length+2+gcmTag, allEnd)
	if d.err != nil {
		return cmsHead{}, d.err
	}
	var oaep oaepParams
	var mgf pkix.AlgorithmIdentifier
	var gcm gcmParams
	d.unmarshal(recipient.Algorithm.Parameters.FullBytes, &oaep)
	d.unmarshal(oaep.MGF.Parameters.FullBytes, &mgf)
	d.unmarshal(algorithm.Parameters.FullBytes, &gcm)
	if d.err != nil || recipient.Version != 2 || !recipient.Algorithm.Algorithm.Equal(oidOAEP) || !oaep.Hash.Algorithm.Equal(oidSHA256) ||
		!oaep.MGF.Algorithm.Equal(oidMGF1) || !mgf.Algorithm.Equal(oidSHA256) || !algorithm.Algorithm.Equal(oidAES256GCM) ||
		gcm.ICVLen != gcmTag || len(gcm.Nonce) != 12 || length > maxGCM {
		return cmsHead{}, errNotCMS
	}
	return cmsHead{recipient.EncryptedKey, gcm.Nonce, length}, nil
}

// der reads DER element by element from a stream. After the first error it reads no more.
type der struct {
	in    *bufio.Reader
	at    int64 // bytes read
	limit int64 // most bytes to read
	err   error
}

func (d *der) fail() {
	if d.err == nil {
		d.err = errNotCMS
	}
}

func (d *der) byte() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.in.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if d.at++; d.at > d.limit && err == nil {
		err = errNotCMS
	}
	d.err = err
	return b
}

// begin reads the tag and the length of an element and returns the length.
func (d *der) begin(tag byte) int64 {
	if d.byte() != tag {
		d.fail()
	}
	first := d.byte()
	if first < 0x80 {
		return int64(first)
	}
	n := int(first &^ 0x80)
	if n < 1 || n > 6 {
		d.fail()
		return 0
	}
	var length int64
	for range n {
		length = length<<8 | int64(d.byte())
	}
	if int64(len(tlv(tag, length))) != int64(2+n) {
		d.fail() // DER requires the shortest form
	}
	return length
}

func (d *der) sameEnd(length, end int64) {
	if d.at+length != end {
		d.fail()
	}
}

// value reads a whole small element and returns its contents.
func (d *der) value(tag byte) []byte {
	length := d.begin(tag)
	if d.err != nil {
		return nil
	}
	if d.at+length > d.limit {
		d.fail()
		return nil
	}
	b := make([]byte, length)
	for i := range b {
		b[i] = d.byte()
	}
	return b
}

func (d *der) expectOID(want asn1.ObjectIdentifier) {
	full, err := asn1.Marshal(want)
	if err != nil {
		d.err = err
		return
	}
	if !bytes.Equal(d.value(asn1.TagOID), full[2:]) {
		d.fail()
	}
}

// element reads a whole small SEQUENCE into v.
func (d *der) element(v any) {
	body := d.value(0x30)
	d.unmarshal(append(tlv(0x30, int64(len(body))), body...), v)
}

func (d *der) unmarshal(b []byte, v any) {
	if d.err != nil {
		return
	}
	if rest, err := asn1.Unmarshal(b, v); err != nil || len(rest) > 0 {
		d.fail()
	}
}

// LooksLikeCMS reports whether the next bytes start like a message of the seal cms-gcm. It consumes nothing.
func LooksLikeCMS(in *bufio.Reader) bool {
	start, _ := in.Peek(32)
	id, err := asn1.Marshal(oidAuthEnveloped)
	return err == nil && len(start) > 0 && start[0] == 0x30 && bytes.Contains(start, id)
}
