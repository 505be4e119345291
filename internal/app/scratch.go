package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"roomreel"
	"roomreel/internal/blob"
)

const (
	// DefaultScratchFloor is the free space that uploads leave on the scratch file system, which usually holds the database
	// and the films in progress as well.
	DefaultScratchFloor = 256 << 20

	// checkSpaceEvery is how many bytes of an upload are written between two looks at the free space.
	checkSpaceEvery = 8 << 20

	// maxEnvelope is how much larger than its file a request is at most.
	maxEnvelope = 4 << 20
)

// scratch receives uploads into a folder. It bounds how many are received at the same time and how much space they take.
type scratch struct {
	folder     string
	maxUpload  int64                 // bytes of one upload
	maxUploads int                   // received at the same time; 0 for no limit
	floor      int64                 // free bytes that uploads leave
	copied     bool                  // an upload is copied to the media store on the same file system, where it needs its size once more
	free       func() (int64, error) // bytes that the file system has for us

	mu       sync.Mutex
	uploads  int   // that are received
	reserved int64 // bytes that they and their copies will still need, where that is known
}

// arrival is an uploaded file in scratch. The file has no name there, so it is gone when it is closed.
type arrival struct {
	scratch *scratch
	file    *os.File
	size    int64
	sum     []byte // SHA-256
	pending int64  // bytes that are reserved for it
}

// Close ends the upload and frees its space.
func (f *arrival) Close() error {
	f.scratch.mu.Lock()
	f.scratch.uploads--
	f.scratch.reserved -= f.pending
	f.scratch.mu.Unlock()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// receive reads an upload of at most size bytes, 0 for not known, to its end. The caller closes what arrived.
func (s *scratch) receive(ctx context.Context, media io.Reader, size int64) (_ *arrival, err error) {
	if size > s.maxUpload+maxEnvelope {
		return nil, s.tooLarge()
	}
	f, err := s.begin(min(size, s.maxUpload))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.file, err = os.CreateTemp(s.folder, "upload-*"); err == nil {
		err = os.Remove(f.file.Name())
	}
	if err != nil {
		return nil, notStored(err)
	}
	source := &failingReader{r: blob.WithContext(ctx, io.LimitReader(media, s.maxUpload+1))}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), source)
	var known *roomreel.Error
	switch {
	case source.err != nil && errors.As(source.err, &known):
		return nil, source.err
	case source.err != nil:
		return nil, &roomreel.Error{Code: roomreel.Invalid, Param: "Media", Detail: "the upload ended early; send it again", Err: source.err}
	case err != nil && errors.As(err, &known):
		return nil, err
	case err != nil:
		return nil, notStored(err)
	case f.size > s.maxUpload:
		return nil, s.tooLarge()
	case f.size == 0:
		return nil, roomreel.InvalidParam("Media", "the file is empty")
	}
	if err := f.reserveCopy(); err != nil {
		return nil, err
	}
	f.sum = sum.Sum(nil)
	return f, nil
}

func (s *scratch) tooLarge() error {
	return &roomreel.Error{Code: roomreel.TooLarge, Param: "Media", Detail: fmt.Sprintf("the file is larger than the %d bytes that this server takes", s.maxUpload)}
}

// begin admits an upload of size bytes, 0 for not known, and reserves their space.
func (s *scratch) begin(size int64) (*arrival, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.copied {
		size *= 2
	}
	if s.maxUploads > 0 && s.uploads >= s.maxUploads {
		return nil, unavailable(fmt.Sprintf("this server is receiving %d recordings, as many as it takes at the same time", s.uploads), nil)
	}
	if err := s.check(size); err != nil {
		return nil, err
	}
	s.uploads++
	s.reserved += size
	return &arrival{scratch: s, pending: size}, nil
}

// check refuses when size more bytes, on top of those that are reserved, would leave less free space than the floor. It is
// called with mu held.
func (s *scratch) check(size int64) error {
	free, err := s.free()
	if err != nil {
		return notStored(err)
	}
	if free-s.reserved-size < s.floor {
		return unavailable("this server's disk has too little scratch space to receive the recording",
			fmt.Errorf("%s has %d bytes free, uploads have reserved %d, this one needs %d more, and %d must stay free", s.folder, free, s.reserved, size, s.floor))
	}
	return nil
}

// Write appends to the file, and looks at the free space now and then: an upload may be larger than it was said to be, and
// others write to the same file system.
func (f *arrival) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if f.size%checkSpaceEvery == 0 {
			err = f.checkSpace()
		}
		if err == nil {
			var m int
			m, err = f.file.Write(p[:min(int64(len(p)), checkSpaceEvery-f.size%checkSpaceEvery)])
			f.size += int64(m)
			f.written(int64(m))
			n, p = n+m, p[m:]
		}
	}
	return n, err
}

func (f *arrival) checkSpace() error {
	f.scratch.mu.Lock()
	defer f.scratch.mu.Unlock()
	if f.pending > 0 {
		return f.scratch.check(0) // its own bytes are among the reserved ones
	}
	return f.scratch.check(checkSpaceEvery)
}

// reserveCopy reserves the space of the copy in the media store, if the size of the upload was not known before.
func (f *arrival) reserveCopy() error {
	f.scratch.mu.Lock()
	defer f.scratch.mu.Unlock()
	more := f.size - f.pending
	if !f.scratch.copied || more <= 0 {
		return nil
	}
	if err := f.scratch.check(more); err != nil {
		return err
	}
	f.pending += more
	f.scratch.reserved += more
	return nil
}

// written turns reserved bytes into used ones.
func (f *arrival) written(n int64) {
	f.scratch.mu.Lock()
	defer f.scratch.mu.Unlock()
	n = min(n, f.pending)
	f.pending -= n
	f.scratch.reserved -= n
}

// failingReader remembers why reading failed, to tell a caller who went away from a disk that is full.
type failingReader struct {
	r   io.Reader
	err error
}

func (r *failingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
