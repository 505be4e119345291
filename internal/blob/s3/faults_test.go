package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minio/minio-go/v7"

	"roomreel/internal/blob"
	"roomreel/internal/blob/atrest"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/blob/s3"
	"roomreel/internal/blob/s3/s3test"
)

const large = 12 << 20 // three parts of 5 MiB

// through opens the bucket through a proxy with the faults of plan. Its timeout is longer than any test: tests
// that wait for the timeout change it.
func through(t *testing.T, server *s3test.Server, change func(*s3.Config), plan func(s3test.Request) s3test.Fault) (*s3.Store, *s3test.Proxy) {
	t.Helper()
	proxy := server.Proxy(t, plan)
	config := server.Config(t, proxy.Host, "faults")
	config.PartSize, config.Tries, config.Idle = 5<<20, 3, time.Minute
	if change != nil {
		change(&config)
	}
	return s3test.Open(t, config), proxy
}

func put(ctx context.Context, store *s3.Store, key string, content []byte) (blob.Info, error) {
	return store.Put(ctx, key, bytes.NewReader(content), int64(len(content)), blob.PutOptions{ContentType: "video/mp4"})
}

// kindOf is the kind of a permanent failure, or "" for one that may pass.
func kindOf(err error) blob.PermanentKind {
	var permanent *blob.PermanentError
	if errors.As(err, &permanent) {
		return permanent.Kind
	}
	return ""
}

func TestPut_SurvivesWhatPasses(t *testing.T) {
	server := s3test.Start(t)
	once := func(pick func(s3test.Request) bool, fault s3test.Fault) func() func(s3test.Request) s3test.Fault {
		return func() func(s3test.Request) s3test.Fault {
			broken := make(chan bool, 1)
			broken <- true
			return func(r s3test.Request) s3test.Fault {
				if pick(r) {
					select {
					case <-broken:
						return fault
					default:
					}
				}
				return s3test.Fault{}
			}
		}
	}
	second := func(r s3test.Request) bool { return strings.Contains(r.Query, "partNumber=2") }
	any := func(s3test.Request) bool { return true }
	for name, c := range map[string]struct {
		size int
		plan func() func(s3test.Request) s3test.Fault
	}{
		"reset_in_a_small_object":  {100_000, once(any, s3test.Fault{ResetAfter: 50_000})},
		"reset_in_a_part":          {large, once(second, s3test.Fault{ResetAfter: 3 << 20})},
		"reset_at_the_first_byte":  {large, once(second, s3test.Fault{ResetAfter: 1})},
		"500_for_a_part":           {large, once(second, s3test.Fault{Status: 500, Code: "InternalError"})},
		"503_for_a_part":           {large, once(second, s3test.Fault{Status: 503, Code: "SlowDown"})},
		"502_without_xml":          {large, once(second, s3test.Fault{Status: 502})},
		"stalled_part":             {large, once(second, s3test.Fault{Stall: true})},
		"answer_to_a_part_is_lost": {large, once(second, s3test.Fault{LoseAnswer: true})},
		"500_at_the_beginning":     {large, once(s3test.Request.Begin, s3test.Fault{Status: 500, Code: "InternalError"})},
		"500_at_the_end":           {large, once(s3test.Request.Complete, s3test.Fault{Status: 500, Code: "InternalError"})},
		"answer_to_an_object_lost": {100_000, once(any, s3test.Fault{LoseAnswer: true})},
		"slow_line":                {400_000, once(any, s3test.Fault{BytesPerSecond: 1 << 20})},
	} {
		t.Run(name, func(t *testing.T) {
			store, _ := through(t, server, func(config *s3.Config) {
				if name == "stalled_part" {
					config.Idle = time.Second
				}
			}, c.plan())
			content := blobtest.Bytes(1, c.size)
			info, err := put(t.Context(), store, name, content)
			if err != nil || info.Size != int64(c.size) {
				t.Fatalf("Put = %+v, %v", info, err)
			}
			if !bytes.Equal(blobtest.Get(t, store, name, 0, -1), content) {
				t.Error("the bucket holds other bytes than were sent")
			}
			if left := server.Unfinished(t); left != nil {
				t.Errorf("unfinished uploads were left: %v", left)
			}
		})
	}
}

// TestPut_FailuresLeaveNothing breaks one kind of request for good: the error has the right kind, and neither an object
// nor an unfinished upload is left.
func TestPut_FailuresLeaveNothing(t *testing.T) {
	server := s3test.Start(t)
	parts := s3test.Request.Part
	any := func(s3test.Request) bool { return true }
	for name, c := range map[string]struct {
		size  int
		pick  func(s3test.Request) bool
		fault s3test.Fault
		kind  blob.PermanentKind
		words string
	}{
		"parts_always_reset":    {large, parts, s3test.Fault{ResetAfter: 1 << 20}, "", ""},
		"parts_always_stall":    {large, parts, s3test.Fault{Stall: true}, "", "nothing moved"},
		"parts_always_500":      {large, parts, s3test.Fault{Status: 500, Code: "InternalError"}, "", ""},
		"parts_always_503":      {large, parts, s3test.Fault{Status: 503, Code: "SlowDown"}, "", ""},
		"parts_forbidden":       {large, parts, s3test.Fault{Status: 403, Code: "AccessDenied"}, blob.AccessDenied, ""},
		"forbidden_without_xml": {large, parts, s3test.Fault{Status: 403}, blob.AccessDenied, ""},
		"wrong_clock":           {large, parts, s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"}, "", "clock"},
		"full_bucket":           {large, parts, s3test.Fault{Status: 403, Code: "QuotaExceeded"}, "", "full"},
		"bits_flip_in_parts":    {large, parts, s3test.Fault{FlipBody: true}, "", ""},
		"bits_flip":             {100_000, any, s3test.Fault{FlipBody: true}, "", ""},
		"other_etag_of_parts":   {large, parts, s3test.Fault{WrongETag: true}, "", "other bytes"},
		"joining_forbidden":     {large, s3test.Request.Complete, s3test.Fault{Status: 403, Code: "AccessDenied"}, blob.AccessDenied, ""},
		"joining_fails":         {large, s3test.Request.Complete, s3test.Fault{Status: 200, Code: "InternalError"}, "", "InternalError"},
		"no_such_bucket":        {1000, any, s3test.Fault{Status: 404, Code: "NoSuchBucket"}, blob.BadURL, ""},
		"other_region":          {1000, any, s3test.Fault{Status: 400, Code: "AuthorizationHeaderMalformed", Region: "mars-1"}, blob.BadURL, ""},
		"moved":                 {1000, any, s3test.Fault{Status: 301, Code: "PermanentRedirect"}, blob.BadURL, ""},
		"unknown_key":           {1000, any, s3test.Fault{Status: 403, Code: "InvalidAccessKeyId"}, blob.BadCredential, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store, _ := through(t, server, func(config *s3.Config) {
				config.Tries = 2
				if c.fault.Stall {
					config.Idle = 500 * time.Millisecond
				}
			}, func(r s3test.Request) s3test.Fault {
				if c.pick(r) {
					return c.fault
				}
				return s3test.Fault{}
			})
			_, err := put(t.Context(), store, name, blobtest.Bytes(1, c.size))
			if err == nil {
				t.Fatal("no error")
			}
			if kind := kindOf(err); kind != c.kind {
				t.Errorf("%v is of kind %q; want %q", err, kind, c.kind)
			}
			if !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v; want %q in it", err, c.words)
			}
			blobtest.Absent(t, s3test.Open(t, server.Config(t, server.Host, "faults")), name)
			if left := server.Unfinished(t); left != nil {
				t.Errorf("unfinished uploads were left: %v", left)
			}
		})
	}
}

// TestPut_OpaqueETagsRelyOnSentSums tells the store the MD5 too where its ETags prove nothing.
func TestPut_OpaqueETagsRelyOnSentSums(t *testing.T) {
	server := s3test.Start(t)
	opaque := func(config *s3.Config) { config.Target.OpaqueETag, config.Tries = true, 1 }
	store, _ := through(t, server, opaque, func(r s3test.Request) s3test.Fault { return s3test.Fault{WrongETag: !r.Part()} })
	for _, size := range []int{1000, large} {
		if _, err := put(t.Context(), store, "film", blobtest.Bytes(1, size)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	flipping, _ := through(t, server, opaque, func(r s3test.Request) s3test.Fault { return s3test.Fault{FlipBody: true} })
	if _, err := put(t.Context(), flipping, "film", blobtest.Bytes(1, 1000)); err == nil || kindOf(err) != "" {
		t.Errorf("a bit flipped on the way: %v; want an error that may pass", err)
	}
}

func TestPut_LosingTheLastAnswerIsMended(t *testing.T) {
	server := s3test.Start(t)
	store, _ := through(t, server, nil, func(r s3test.Request) s3test.Fault {
		return s3test.Fault{LoseAnswer: r.Complete()}
	})
	content := blobtest.Bytes(1, large)
	if _, err := put(t.Context(), store, "film", content); err == nil || kindOf(err) != "" {
		t.Fatalf("Put whose last answer is lost: %v; want an error that may pass", err)
	}
	direct := s3test.Open(t, server.Config(t, server.Host, "faults"))
	if _, err := put(t.Context(), direct, "film", content); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(blobtest.Get(t, direct, "film", 0, -1), content) {
		t.Error("the bucket holds other bytes than were sent")
	}
}

func TestPut_CancelAborts(t *testing.T) {
	server := s3test.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	store, _ := through(t, server, nil, func(r s3test.Request) s3test.Fault {
		if r.Part() {
			cancel()
			return s3test.Fault{Stall: true}
		}
		return s3test.Fault{}
	})
	if _, err := put(ctx, store, "film", blobtest.Bytes(1, large)); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v; want context.Canceled", err)
	}
	if left := server.Unfinished(t); left != nil {
		t.Errorf("unfinished uploads were left: %v", left)
	}
}

func TestGet_GoesOnWhereItBroke(t *testing.T) {
	server := s3test.Start(t)
	content := blobtest.Bytes(1, 3<<20)
	if _, err := put(t.Context(), s3test.Open(t, server.Config(t, server.Host, "faults")), "film", content); err != nil {
		t.Fatal(err)
	}
	store, proxy := through(t, server, nil, func(r s3test.Request) s3test.Fault {
		if r.Number <= 2 {
			return s3test.Fault{CutAnswer: 1 << 20}
		}
		return s3test.Fault{}
	})
	if !bytes.Equal(blobtest.Get(t, store, "film", 5, -1), content[5:]) {
		t.Error("other bytes came than are stored")
	}
	if n := len(proxy.Requests()); n != 3 {
		t.Errorf("%d requests; want 3", n)
	}
}

// TestGet_ProgressRestoresTheTries breaks every answer of a long download, more often than a read is tried.
func TestGet_ProgressRestoresTheTries(t *testing.T) {
	server := s3test.Start(t)
	content := blobtest.Bytes(1, large)
	if _, err := put(t.Context(), s3test.Open(t, server.Config(t, server.Host, "faults")), "film", content); err != nil {
		t.Fatal(err)
	}
	store, proxy := through(t, server, nil, func(s3test.Request) s3test.Fault { return s3test.Fault{CutAnswer: 2 << 20} })
	if !bytes.Equal(blobtest.Get(t, store, "film", 0, -1), content) {
		t.Error("other bytes came than are stored")
	}
	if n := len(proxy.Requests()); n < 6 {
		t.Errorf("%d requests; want the download to break at least five times", n)
	}
}

func TestGet_AlwaysBrokenIsAnError(t *testing.T) {
	server := s3test.Start(t)
	if _, err := put(t.Context(), s3test.Open(t, server.Config(t, server.Host, "faults")), "film", blobtest.Bytes(1, 3<<20)); err != nil {
		t.Fatal(err)
	}
	store, _ := through(t, server, nil, func(s3test.Request) s3test.Fault { return s3test.Fault{CutAnswer: 1} })
	r, err := store.Get(t.Context(), "film", 0, -1)
	if err == nil {
		_, err = io.ReadAll(r)
		r.Close()
	}
	if err == nil || kindOf(err) != "" {
		t.Errorf("%v; want an error that may pass", err)
	}
}

func TestSweepMultipart_RemovesWhatACrashLeft(t *testing.T) {
	server := s3test.Start(t)
	core := minio.Core{Client: server.Admin}
	for _, name := range []string{"mine/AC1/a.mp4", "mine/b.mp4", "others/c.mp4"} {
		id, err := core.NewMultipartUpload(t.Context(), server.Bucket, name, minio.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := core.PutObjectPart(t.Context(), server.Bucket, name, id, 1, strings.NewReader("part"), 4, minio.PutObjectPartOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	store := s3test.Open(t, server.Config(t, server.Host, "mine"))
	if n, err := store.SweepMultipart(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("sweep of what is an hour old: %d, %v; want nothing", n, err)
	}
	if n, err := store.SweepMultipart(t.Context(), 0); n != 2 || err != nil {
		t.Errorf("sweep: %d, %v; want 2", n, err)
	}
	if left := server.Unfinished(t); len(left) != 1 || left[0] != "others/c.mp4" {
		t.Errorf("left %v; want the one outside of the prefix", left)
	}
}

func TestAbortUnfinished_RemovesTheUploadsOfOneKey(t *testing.T) {
	server := s3test.Start(t)
	core := minio.Core{Client: server.Admin}
	for _, name := range []string{"mine/a.mp4", "mine/a.mp4", "mine/a.mp4.sealed", "mine/b.mp4"} {
		if _, err := core.NewMultipartUpload(t.Context(), server.Bucket, name, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	server.AllowWriter(t, "s3:PutObject")
	config := server.Config(t, server.Host, "mine")
	config.AccessKey, config.SecretKey = server.WriterKey, server.WriterPw
	if err := s3test.Open(t, config).AbortUnfinished(t.Context(), "a.mp4"); err != nil {
		t.Errorf("without permission: %v, want nothing done and no error", err)
	}
	if left := server.Unfinished(t); len(left) != 4 {
		t.Errorf("left %v, want all", left)
	}
	if err := s3test.Open(t, server.Config(t, server.Host, "mine")).AbortUnfinished(t.Context(), "a.mp4"); err != nil {
		t.Error(err)
	}
	left := server.Unfinished(t)
	if slices.Sort(left); !slices.Equal(left, []string{"mine/a.mp4.sealed", "mine/b.mp4"}) {
		t.Errorf("left %v, want those of other keys", left)
	}
}

// TestAs_FindsABucketBelowOtherStores ends an unfinished upload through a store that encrypts.
func TestAs_FindsABucketBelowOtherStores(t *testing.T) {
	server := s3test.Start(t)
	core := minio.Core{Client: server.Admin}
	if _, err := core.NewMultipartUpload(t.Context(), server.Bucket, "mine/a.mp4", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	encrypting, err := atrest.New(s3test.Open(t, server.Config(t, server.Host, "mine")), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	bucket, ok := blob.As[blob.Aborter](encrypting)
	if !ok {
		t.Fatal("there is no bucket below")
	}
	if err := bucket.AbortUnfinished(t.Context(), "a.mp4"); err != nil {
		t.Error(err)
	}
	if left := server.Unfinished(t); left != nil {
		t.Errorf("left %v", left)
	}
	if _, ok := blob.As[blob.Opener](encrypting); !ok {
		t.Error("the store that encrypts keeps objects open, and was not found")
	}
	if opener, ok := blob.As[interface{ NoSuchAbility() }](encrypting); ok {
		t.Errorf("found %v", opener)
	}
}

// TestPut_NeedsNothingButPutObject delivers as a user whose policy grants that alone.
func TestPut_NeedsNothingButPutObject(t *testing.T) {
	server := s3test.Start(t)
	server.AllowWriter(t, "s3:PutObject")
	config := server.Config(t, server.Host, "recordings")
	config.AccessKey, config.SecretKey, config.PartSize = server.WriterKey, server.WriterPw, 5<<20
	writer := s3test.Open(t, config)
	owner := s3test.Open(t, server.Config(t, server.Host, "recordings"))
	for _, size := range []int{1000, large} {
		content := blobtest.Bytes(1, size)
		info, err := writer.Put(t.Context(), "AC1/CJ1.mp4", bytes.NewReader(content), int64(size), blob.PutOptions{
			ContentType: "application/octet-stream", Metadata: map[string]string{"x-amz-iv": "AAEC", "x-amz-matdesc": "{}"},
		})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if want := server.URL("recordings/AC1/CJ1.mp4"); info.Location != want {
			t.Errorf("location %q; want %q", info.Location, want)
		}
		if !bytes.Equal(blobtest.Get(t, owner, "AC1/CJ1.mp4", 0, -1), content) {
			t.Error("the bucket holds other bytes than were sent")
		}
		o, err := server.Admin.StatObject(t.Context(), server.Bucket, "recordings/AC1/CJ1.mp4", minio.StatObjectOptions{})
		if err != nil || o.ContentType != "application/octet-stream" {
			t.Errorf("content type %q, %v", o.ContentType, err)
		}
		for name, want := range map[string]string{"X-Amz-Meta-X-Amz-Iv": "AAEC", "X-Amz-Meta-X-Amz-Matdesc": "{}"} {
			if got := o.Metadata.Get(name); got != want {
				t.Errorf("%s is %q; want %q", name, got, want)
			}
		}
	}
	if _, err := writer.Stat(t.Context(), "AC1/CJ1.mp4"); kindOf(err) != blob.AccessDenied {
		t.Errorf("the writer may read: %v; the test proves nothing", err)
	}
	if n, err := writer.SweepMultipart(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("sweep without permission: %d, %v; want nothing and no error", n, err)
	}
}

func TestCheck_SaysWhatIsWrong(t *testing.T) {
	server := s3test.Start(t)
	buckets := &s3.Buckets{Endpoints: s3.Endpoints{Allowed: []s3.Endpoint{server.Endpoint()}}}
	none := "http://" + server.Host + "/no-such-bucket/"
	for name, c := range map[string]struct {
		url, key, secret string
		kind             blob.PermanentKind
	}{
		"no_such_bucket": {none, server.AccessKey, server.SecretKey, blob.BadURL},
		"unknown_key":    {server.URL(""), "AKIAUNKNOWNUNKNOWN00", server.SecretKey, blob.BadCredential},
		"wrong_secret":   {server.URL(""), server.AccessKey, "wrong", blob.BadCredential},
		"no_permission":  {server.URL(""), server.WriterKey, server.WriterPw, blob.AccessDenied},
		"store_not_ours": {"https://storage.example.com/bucket", server.AccessKey, server.SecretKey, blob.BadURL},
		"inner_address":  {"https://169.254.169.254/latest", server.AccessKey, server.SecretKey, blob.BadURL},
		"no_url":         {"bucket", server.AccessKey, server.SecretKey, blob.BadURL},
		"empty_secret":   {server.URL(""), server.AccessKey, "", blob.BadCredential},
	} {
		if err := buckets.Check(t.Context(), c.url, c.key, c.secret); kindOf(err) != c.kind {
			t.Errorf("%s: %v; want kind %q", name, err, c.kind)
		}
	}
	for range 2 {
		if err := buckets.Check(t.Context(), server.URL("media"), server.AccessKey, server.SecretKey); err != nil {
			t.Errorf("a good bucket: %v", err)
		}
	}
	o, err := server.Admin.StatObject(t.Context(), server.Bucket, "media/roomreel-write-test.txt", minio.StatObjectOptions{})
	if err != nil || !strings.HasPrefix(o.ContentType, "text/plain") {
		t.Errorf("the test file: %+v, %v", o, err)
	}
	dead := server.Proxy(t, func(s3test.Request) s3test.Fault { return s3test.Fault{ResetAfter: 1} })
	buckets.Endpoints.Allowed = append(buckets.Endpoints.Allowed, s3test.EndpointAt(dead.Host))
	buckets.Config.Tries = 1
	if err := buckets.Check(t.Context(), "http://"+dead.Host+"/"+server.Bucket, server.AccessKey, server.SecretKey); err == nil || kindOf(err) != "" {
		t.Errorf("a store that does not answer: %v; want an error that may pass", err)
	}
}

// TestPut_WrongClockIsOurs signs with the time of a synctest bubble, which begins in the year 2000; the server lives
// today.
func TestPut_WrongClockIsOurs(t *testing.T) {
	server := s3test.Start(t)
	config := server.Config(t, server.Host, "")
	config.Tries = 1
	synctest.Test(t, func(t *testing.T) {
		store, err := s3.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		_, err = put(t.Context(), store, "film", []byte("film"))
		if err == nil || kindOf(err) != "" || !strings.Contains(err.Error(), "clock") {
			t.Errorf("Put 26 years late: %v; want an error that may pass and speaks of the clock", err)
		}
	})
}

func TestPut_FullStoreMayPass(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=8m"); err != nil {
		t.Logf("no small file system to fill here: %v", err)
		return
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
	server := s3test.StartIn(t, folder)
	config := server.Config(t, server.Host, "")
	config.PartSize, config.Tries = 5<<20, 1
	store := s3test.Open(t, config)
	if _, err := put(t.Context(), store, "film", blobtest.Bytes(1, 20<<20)); err == nil || kindOf(err) != "" {
		t.Errorf("Put into a full store: %v; want an error that may pass", err)
	}
	if left := server.Unfinished(t); left != nil {
		t.Errorf("unfinished uploads were left: %v", left)
	}
	if _, err := put(t.Context(), store, "small", blobtest.Bytes(1, 100_000)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestPresign_ServesAsAsked(t *testing.T) {
	server := s3test.Start(t)
	store := s3test.Open(t, server.Config(t, server.Host, "vault"))
	content := blobtest.Bytes(1, 10_000)
	if _, err := put(t.Context(), store, "AC1/CJ1.mp4", content); err != nil {
		t.Fatal(err)
	}
	url, err := store.Presign(t.Context(), "AC1/CJ1.mp4", time.Minute, blob.PresignOptions{
		ContentType: "video/mp4", ContentDisposition: `attachment; filename="my film.mp4"`,
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=10-19")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusPartialContent || !bytes.Equal(got, content[10:20]) {
		t.Errorf("%s, %d bytes, %v", a.Status, len(got), err)
	}
	if a.Header.Get("Content-Disposition") != `attachment; filename="my film.mp4"` || a.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("headers %v", a.Header)
	}
	tampered, err := http.Get(strings.Replace(url, "CJ1", "CJ2", 1))
	if err != nil {
		t.Fatal(err)
	}
	tampered.Body.Close()
	if tampered.StatusCode != http.StatusForbidden {
		t.Errorf("another object under the same signature: %s", tampered.Status)
	}
}
