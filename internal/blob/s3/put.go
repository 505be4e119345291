package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"roomreel/internal/blob"
)

// errDamaged says that the store confirmed other bytes than were sent. A retry may succeed.
var errDamaged = errors.New("the store says that it holds other bytes than were sent")

// Put sends an object of one part in one request, and a larger one in parts. A part that fails is sent again from memory. When
// Put fails, the parts are removed; that needs s3:AbortMultipartUpload, which s3:PutObject does not include at Amazon.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	name, err := s.name(key)
	if err != nil {
		return blob.Info{}, err
	}
	c, err := s.client(ctx)
	if err != nil {
		return blob.Info{}, fmt.Errorf("store %s: %w", key, err)
	}
	u := &upload{store: s, core: c, name: name, size: size, partSize: s.partSize(size), opts: minio.PutObjectOptions{
		ContentType:          opts.ContentType,
		UserMetadata:         make(map[string]string),
		DisableContentSha256: true, // the sum of each body is given instead
	}}
	for k, v := range opts.Metadata {
		u.opts.UserMetadata["x-amz-meta-"+k] = v
	}
	n, err := u.run(ctx, r)
	if err != nil {
		return blob.Info{}, fmt.Errorf("store %s: %w", key, classify(ctx, err))
	}
	return blob.Info{Size: n, Location: s.config.Target.ObjectURL(key), Metadata: opts.Metadata}, nil
}

// partSize is the configured one, or larger where an object of this size would need too many parts.
func (s *Store) partSize(size int64) int64 {
	part := s.config.PartSize
	for size > part*maxParts {
		part *= 2
	}
	return part
}

// upload is one Put.
type upload struct {
	store    *Store
	core     *minio.Core
	name     string
	size     int64 // promised bytes, or -1
	partSize int64
	opts     minio.PutObjectOptions
}

func (u *upload) run(ctx context.Context, r io.Reader) (int64, error) {
	first := u.partSize
	if u.size >= 0 && u.size < first {
		first = u.size + 1 // one more, to notice a reader that does not end
	}
	buf := u.store.buffer(first)
	n, err := io.ReadFull(blob.WithContext(ctx, r), buf)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		if err := u.checkSize(int64(n)); err != nil {
			return 0, err
		}
		err := u.single(ctx, buf[:n])
		if err == nil {
			u.store.giveBack(buf)
		}
		return int64(n), err
	case err != nil:
		u.store.giveBack(buf)
		return 0, err
	case u.size >= 0 && int64(n) > u.size:
		return 0, u.checkSize(int64(n))
	}
	return u.multipart(ctx, r, buf)
}

func (u *upload) checkSize(n int64) error {
	switch {
	case u.size < 0 || n == u.size:
		return nil
	case n < u.size:
		return fmt.Errorf("%d bytes were promised and %d came: %w", u.size, n, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("more than the %d bytes that were promised came", u.size)
}

// single sends the whole object in one request.
func (u *upload) single(ctx context.Context, body []byte) error {
	sums := sumsOf(body)
	ctx, answer := noteAnswer(ctx)
	info, err := u.core.PutObject(ctx, u.store.config.Target.Bucket, u.name, bytes.NewReader(body), int64(len(body)),
		u.contentMD5(sums), hex.EncodeToString(sums.sha256[:]), u.opts)
	if err != nil {
		return err
	}
	if held := answer().Get("X-Amz-Object-Size"); held != "" && held != strconv.Itoa(len(body)) {
		return fmt.Errorf("%w: %s bytes instead of %d", errDamaged, held, len(body))
	}
	return u.checkETag(info.ETag, hex.EncodeToString(sums.md5[:]), answer())
}

// multipart sends first and then the rest of r in parts, several at once.
func (u *upload) multipart(ctx context.Context, r io.Reader, first []byte) (n int64, err error) {
	bucket := u.store.config.Target.Bucket
	id, err := u.core.NewMultipartUpload(ctx, bucket, u.name, u.opts)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			u.abort(ctx, id)
		}
	}()

	group, gctx := errgroup.WithContext(ctx)
	uploads := u.store.config.Uploads
	group.SetLimit(uploads)
	free := make(chan []byte, uploads+1) // buffers: one is filled while the others are sent
	for range uploads {
		free <- nil
	}
	defer func() { // every part has been sent or given up by then
		for range len(free) {
			u.store.giveBack(<-free)
		}
	}()
	var parts []*part
	buf, last := first, false
	for {
		n += int64(len(buf))
		if u.size >= 0 && n > u.size || last {
			if err := u.checkSize(n); err != nil {
				group.Wait()
				return 0, err
			}
		}
		if len(buf) > 0 {
			if len(parts) == maxParts {
				group.Wait()
				return 0, fmt.Errorf("the object is larger than the %d bytes that %d parts hold", maxParts*u.partSize, maxParts)
			}
			p := &part{number: len(parts) + 1, body: buf}
			parts = append(parts, p)
			group.Go(func() error {
				err := u.send(gctx, id, p)
				body := p.body
				if p.body = nil; err != nil {
					body = nil // net/http may still read the body of a failed request
				}
				free <- body
				return err
			})
		}
		if last {
			break
		}
		buf = <-free
		if buf == nil {
			buf = u.store.buffer(u.partSize)
		}
		got, err := io.ReadFull(blob.WithContext(gctx, r), buf[:u.partSize])
		buf = buf[:got]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			last = true
		} else if err != nil {
			if e := group.Wait(); e != nil && ctx.Err() == nil {
				return 0, e // the read ended because a part could not be sent
			}
			return 0, err
		}
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return n, u.complete(ctx, id, parts)
}

// part is a part of a multipart upload.
type part struct {
	number int
	body   []byte
	md5    [md5.Size]byte
	etag   string
}

func (u *upload) send(ctx context.Context, id string, p *part) error {
	sums := sumsOf(p.body)
	ctx, answer := noteAnswer(ctx)
	done, err := u.core.PutObjectPart(ctx, u.store.config.Target.Bucket, u.name, id, p.number, bytes.NewReader(p.body), int64(len(p.body)),
		minio.PutObjectPartOptions{
			Md5Base64:            u.contentMD5(sums),
			Sha256Hex:            hex.EncodeToString(sums.sha256[:]),
			DisableContentSha256: true,
		})
	if err != nil {
		return fmt.Errorf("part %d: %w", p.number, err)
	}
	p.md5, p.etag = sums.md5, done.ETag
	if err := u.checkETag(done.ETag, hex.EncodeToString(sums.md5[:]), answer()); err != nil {
		return fmt.Errorf("part %d: %w", p.number, err)
	}
	return nil
}

// complete joins the parts, and compares the ETag of the object: the MD5 of the parts' MD5 sums, a hyphen and the number of
// parts.
func (u *upload) complete(ctx context.Context, id string, parts []*part) error {
	list := make([]minio.CompletePart, len(parts))
	whole, likeMD5 := md5.New(), true
	for i, p := range parts {
		list[i] = minio.CompletePart{PartNumber: p.number, ETag: p.etag}
		whole.Write(p.md5[:])
		likeMD5 = likeMD5 && p.etag == hex.EncodeToString(p.md5[:])
	}
	ctx, answer := noteAnswer(ctx)
	info, err := u.core.CompleteMultipartUpload(ctx, u.store.config.Target.Bucket, u.name, id, list, minio.PutObjectOptions{})
	if err != nil {
		return fmt.Errorf("join the parts: %w", err)
	}
	if !likeMD5 {
		return nil // ETags of this store are no MD5 sums; the store verified each part against the sums that were sent
	}
	return u.checkETag(info.ETag, fmt.Sprintf("%x-%d", whole.Sum(nil), len(parts)), answer())
}

// abort removes the parts that were stored, also after ctx is done: they cost the bucket's owner money.
func (u *upload) abort(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	// The caller returns the error that led here. SweepMultipart removes what stays.
	_ = u.core.AbortMultipartUpload(ctx, u.store.config.Target.Bucket, u.name, id)
}

// checkETag compares the ETag with the one that the sent bytes have. Encrypted with a key of AWS KMS or of the customer,
// an object's ETag is something else, and the answer's header says so; of other stores the configuration has to say it.
//
// Source: docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html, ETag.
func (u *upload) checkETag(got, want string, answer http.Header) error {
	if u.store.config.Target.OpaqueETag ||
		strings.HasPrefix(answer.Get("X-Amz-Server-Side-Encryption"), "aws:kms") ||
		answer.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "" {
		return nil
	}
	if !strings.EqualFold(got, want) {
		return fmt.Errorf("%w: its ETag is %q and should be %q (a store whose ETags are no MD5 sums has to be configured as such)", errDamaged, got, want)
	}
	return nil
}

// contentMD5 is the header of that name, or "" where it adds nothing: the signed SHA-256 of the body and an ETag that is an MD5
// prove the same, and a third hash costs the server half as much time again. Amazon requires the header for buckets with object
// lock, and its ETags with KMS prove nothing.
//
// Source: docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, Content-MD5.
func (u *upload) contentMD5(s sums) string {
	if u.store.config.Target.amazon() || u.store.config.Target.OpaqueETag {
		return base64.StdEncoding.EncodeToString(s.md5[:])
	}
	return ""
}

type sums struct {
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
}

func sumsOf(b []byte) sums { return sums{md5.Sum(b), sha256.Sum256(b)} }
