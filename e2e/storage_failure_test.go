package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	twilioclient "github.com/twilio/twilio-go/client"

	"roomreel/internal/blob/s3/s3test"
	"roomreel/internal/media"
	"roomreel/internal/media/matroska"
)

// external returns the settings of Twilio's sample "Upload to external bucket".
func external(aws, url string) configuration {
	return configuration{FriendlyName: "Upload to external bucket", AwsCredentialsSid: aws, AwsS3Url: url, AwsStorageEnabled: new(true)}
}

// sealing returns the settings of Twilio's sample "Upload encrypted".
func sealing(key string) configuration {
	return configuration{FriendlyName: "Upload encrypted", EncryptionKeySid: key, EncryptionEnabled: new(true)}
}

func TestSettings_AreTestedBeforeTheyAreStored(t *testing.T) {
	s := startWithS3(t)
	owner, writer := s.credential(t, false), s.credential(t, true)
	_, key := s.keys(t)
	wrong := func(pair string) string {
		sid, _ := s.post(t, "/v1/Credentials/AWS", "Credentials", pair)["sid"].(string)
		return sid
	}
	for name, test := range map[string]struct {
		in     configuration
		number int // for recording settings; for composition settings it is 10 more
	}{
		"no_such_bucket":       {external(owner, "http://"+s.proxy.Host+"/no-such-bucket/x"), 53610},
		"other_host":           {external(owner, "http://127.0.0.1:1/bucket/x"), 53610},
		"host_not_allowed":     {external(owner, "https://minio.example.com/bucket/x"), 53610},
		"metadata_service":     {external(owner, "http://169.254.169.254/latest/meta-data"), 53610},
		"unknown_key":          {external(wrong("AKIANOBODYKNOWSME:secret"), s.folder("x")), 53611},
		"wrong_secret":         {external(wrong(s.s3.AccessKey+":wrong"), s.folder("x")), 53611},
		"may_not_write":        {external(writer, s.folder("x")), 53615},
		"no_such_credential":   {external("CR00000000000000000000000000000000", s.folder("x")), 53613},
		"a_key_as_credential":  {external(key, s.folder("x")), 53613},
		"no_such_public_key":   {sealing("CR00000000000000000000000000000000"), 53614},
		"a_credential_as_key":  {sealing(owner), 53614},
		"encryption_alone":     {configuration{FriendlyName: "x", EncryptionEnabled: new(true)}, 53612},
		"storage_without_more": {configuration{FriendlyName: "x", AwsStorageEnabled: new(true)}, 53611},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, more := range map[string]int{"recording": 0, "composition": 10} {
				var refused *twilioclient.TwilioRestError
				err := s.configure(kind, test.in)
				if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || refused.Code != test.number+more {
					t.Errorf("%s settings: %v, want 400 and %d", kind, err, test.number+more)
				}
				if read, err := s.api.VideoV1.FetchRecordingSettings(); err != nil || *read.AwsStorageEnabled || *read.EncryptionEnabled {
					t.Errorf("refused settings were stored: %+v, %v", read, err)
				}
			}
		})
	}
	t.Run("store_unavailable", func(t *testing.T) {
		s.faults.set(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: 500} })
		var refused *twilioclient.TwilioRestError
		if err := s.configure("composition", external(owner, s.folder("x"))); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
			t.Errorf("while the bucket does not answer: %v, want 503", err)
		}
	})
}

// TestDelivery_FailsAtOnceIfOnlyTheCustomerCanRepairIt breaks the bucket, the credential or the key after the settings were
// accepted.
func TestDelivery_FailsAtOnceIfOnlyTheCustomerCanRepairIt(t *testing.T) {
	s := startWithS3(t)
	room, _ := s.room(t)
	refuse := func(status int, code string) func(*testing.T) {
		return func(*testing.T) {
			s.faults.set(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: status, Code: code} })
		}
	}
	for name, test := range map[string]struct {
		breakIt func(t *testing.T)
		number  int
	}{
		"bucket_gone":      {refuse(404, "NoSuchBucket"), 53664},
		"credential_wrong": {refuse(403, "InvalidAccessKeyId"), 53665},
		"secret_wrong":     {refuse(403, "SignatureDoesNotMatch"), 53665},
		"access_denied":    {refuse(403, "AccessDenied"), 53669},
		"credential_gone": {func(t *testing.T) {
			s.remove(t, "/v1/Credentials/AWS/", s.aws(t))
		}, 53667},
		"public_key_gone": {func(t *testing.T) {
			settings, err := s.api.VideoV1.FetchCompositionSettings()
			if err != nil {
				t.Fatal(err)
			}
			s.remove(t, "/v1/Credentials/PublicKeys/", *settings.EncryptionKeySid)
		}, 53668},
	} {
		t.Run(name, func(t *testing.T) {
			s.faults.set(nil)
			c := external(s.credential(t, false), s.folder("films"))
			_, key := s.keys(t)
			c.EncryptionKeySid, c.EncryptionEnabled = key, new(true)
			configureWithGo(t, s, "composition", c)
			// A composition keeps the settings of the time of its request. It starts when its room is completed.
			waiting := s.openRoom(t)
			for _, path := range files(t) {
				s.upload(t, waiting, path)
			}
			sid := s.compose(t, waiting, false)
			test.breakIt(t)
			before := s.writes()
			s.complete(t, waiting)
			failed := s.wait(t, sid, "composition-failed")
			if failed.Get("ErrorMessage") == "" || failed.Get("FailedOperation") == "" {
				t.Errorf("the callback says %v", failed)
			}
			if number := s.failure(t, sid); number != test.number {
				t.Errorf("failed with %d, want %d", number, test.number)
			}
			if n := s.writes() - before; n > 1 {
				t.Errorf("%d PUT requests, want at most one: a retry cannot help", n)
			}
			if c, err := s.api.VideoV1.FetchComposition(sid); err != nil || *c.Status != "failed" {
				t.Errorf("the composition: %+v, %v", c, err)
			}
		})
	}
	s.faults.set(nil)
	configureWithGo(t, s, "composition", configuration{FriendlyName: "Reset"})
	s.wait(t, s.compose(t, room, false), "composition-available") // it is not affected by the failed compositions
	s.eventually(t, "the films of failed compositions are deleted from the working store", func() bool { return len(s.stored(t, "work")) == 0 })
}

func TestDelivery_SurvivesTemporaryFaults(t *testing.T) {
	for name, test := range map[string]struct {
		faults func(s3test.Request) s3test.Fault
		large  bool
	}{
		"errors_of_the_store": {faults: first(6, s3test.Fault{Status: 500})},
		"slow_down":           {faults: first(6, s3test.Fault{Status: 503, Code: "SlowDown"})},
		"full_bucket":         {faults: first(2, s3test.Fault{Status: 507, Code: "QuotaExceeded"})},
		"wrong_clock":         {faults: first(2, s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"})},
		"resets":              {faults: first(6, s3test.Fault{ResetAfter: 1000})},
		"answer_lost":         {faults: first(2, s3test.Fault{LoseAnswer: true})},
		"altered_on_the_way":  {faults: first(2, s3test.Fault{FlipBody: true})},
		"stores_other_bytes":  {faults: first(2, s3test.Fault{WrongETag: true})},
		"slow_line":           {faults: first(1, s3test.Fault{BytesPerSecond: 20_000})},
		"resets_in_parts":     {faults: first(9, s3test.Fault{ResetAfter: 1 << 20}), large: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWithS3(t)
			configureWithGo(t, s, "recording", external(s.credential(t, false), s.folder("recordings")))
			configureWithGo(t, s, "composition", external(s.credential(t, false), s.folder("films")))
			s.faults.set(test.faults)
			path := files(t)[1]
			if test.large {
				path = largeRecording(t, 20<<20)
			}
			room := s.openRoom(t)
			recording := s.upload(t, room, path)
			_, arrived := s.external(t, s.wait(t, recording, "recording-completed").Get("MediaExternalLocation"))
			sameContent(t, arrived, path)
			if left := s.s3.Unfinished(t); len(left) != 0 {
				t.Errorf("unfinished uploads of %v", left)
			}
			if test.large {
				return // its frames are noise and cannot be decoded
			}
			s.complete(t, room)
			s.faults.set(test.faults)
			film := s.wait(t, s.compose(t, room, false), "composition-available")
			if _, path := s.external(t, film.Get("MediaExternalLocation")); film.Get("Size") != fmt.Sprint(size(t, path)) {
				t.Errorf("the film has %d bytes, but the callback says %s", size(t, path), film.Get("Size"))
			}
			if n := len(s.callbacks.named(recording, "recording-completed")); n != 1 {
				t.Errorf("%d callbacks say that the recording is completed", n)
			}
		})
	}
}

// TestDelivery_OfARecordingIsRetriedUntilTheCustomerRepairsIt shows the difference to compositions: a recording is delivered
// once the customer corrects the bucket's policy.
func TestDelivery_OfARecordingIsRetriedUntilTheCustomerRepairsIt(t *testing.T) {
	s := startWithS3(t)
	s.s3.AllowWriter(t, "s3:PutObject")
	configureWithGo(t, s, "recording", external(s.credential(t, true), s.folder("recordings")))
	s.s3.AllowWriter(t, "s3:GetObject") // writing is now forbidden
	room := s.openRoom(t)
	sid := s.upload(t, room, files(t)[0])
	s.eventually(t, "delivery was tried twice", func() bool { return s.writes() >= 3 }) // the test of the settings is the first
	if r, err := s.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "processing" {
		t.Errorf("after refused deliveries, the recording is %+v, %v", r, err)
	}
	s.s3.AllowWriter(t, "s3:PutObject")
	_, arrived := s.external(t, s.wait(t, sid, "recording-completed").Get("MediaExternalLocation"))
	sameContent(t, arrived, files(t)[0])
}

func TestDelivery_OfARecordingIsGivenUpAfterTheDeadline(t *testing.T) {
	s := startWithS3(t, "s3.give_up=4s")
	aws := s.credential(t, false)
	configureWithGo(t, s, "recording", external(aws, s.folder("recordings")))
	s.faults.set(func(r s3test.Request) s3test.Fault { return s3test.Fault{Status: 403, Code: "AccessDenied"} })
	room := s.openRoom(t)
	sid := s.upload(t, room, files(t)[0])
	s.eventually(t, "delivery was tried twice", func() bool { return s.writes() >= 3 })
	if kept := s.stored(t, "work"); len(kept) != 1 && len(s.callbacks.named(sid, "recording-failed")) == 0 {
		t.Errorf("before the deadline, the working store holds %v", kept)
	}
	failed := s.wait(t, sid, "recording-failed")
	if failed.Get("FailedOperation") != "RecordingUpload" {
		t.Errorf("the callback says %v", failed)
	}
	if r, err := s.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "failed" {
		t.Errorf("the recording: %+v, %v", r, err)
	}
	if number := s.failure(t, sid); number != 53616 {
		t.Errorf("failed with %d, want 53616", number)
	}
	s.eventually(t, "its working copy is deleted", func() bool { return len(s.stored(t, "work")) == 0 })
	s.faults.set(nil)
	s.remove(t, "/v1/Recordings/", sid)
	s.eventually(t, "its index is deleted", func() bool { return len(s.stored(t, "vault")) == 0 })
}

func TestDelivery_OfAFilmIsGivenUpAfterTheDeadline(t *testing.T) {
	s := startWithS3(t, "s3.give_up=3s")
	configureWithGo(t, s, "composition", external(s.credential(t, false), s.folder("films")))
	room, _ := s.room(t)
	s.faults.set(func(r s3test.Request) s3test.Fault { return s3test.Fault{Status: 503, Code: "SlowDown"} })
	sid := s.compose(t, room, false)
	if failed := s.wait(t, sid, "composition-failed"); !strings.Contains(failed.Get("ErrorMessage"), "in time") {
		t.Errorf("the callback says %v", failed)
	}
	if number := s.failure(t, sid); number != 53626 {
		t.Errorf("failed with %d, want 53626", number)
	}
	s.eventually(t, "its film is deleted", func() bool { return len(s.stored(t, "work")) == 0 })
}

// TestDelete_DuringADelivery deletes a recording and a composition while they are written to the media store. Nothing of them
// may remain.
func TestDelete_DuringADelivery(t *testing.T) {
	s := startWithMediaInS3(t)
	_, key := s.keys(t)
	configureWithGo(t, s, "recording", sealing(key))
	configureWithGo(t, s, "composition", sealing(key))
	plain, _ := s.room(t)
	kept := s.objects(t, "media/")
	s.eventually(t, "only the recordings and their indexes remain", func() bool {
		kept = s.objects(t, "media/")
		return len(kept) == 6 // for each: the encrypted recording, its working copy, and its index
	})
	arrived, proceed := make(chan struct{}, 100), make(chan struct{})
	s.faults.set(func(r s3test.Request) s3test.Fault {
		if r.Method == http.MethodPut && !strings.Contains(r.Path, "/work/") && !strings.HasSuffix(r.Path, ".index") {
			arrived <- struct{}{}
			<-proceed
		}
		return s3test.Fault{}
	})
	film := s.compose(t, plain, false)
	<-arrived
	room := s.openRoom(t)
	recording := s.upload(t, room, files(t)[1])
	<-arrived
	s.remove(t, "/v1/Compositions/", film)
	s.remove(t, "/v1/Recordings/", recording)
	close(proceed)
	s.eventually(t, "the objects that arrived after the deletion are deleted", func() bool {
		return slices.ContainsFunc(s.proxy.Requests(), func(r s3test.Request) bool {
			return r.Method == http.MethodDelete && strings.Contains(r.Path, recording+".") && strings.HasSuffix(r.Path, ".mka") && !strings.Contains(r.Path, "/work/")
		})
	})
	s.eventually(t, "only the other objects remain in the media store", func() bool { return len(s.objects(t, "media/")) == len(kept) })
	for key := range s.objects(t, "media/") {
		if _, before := kept[key]; !before {
			t.Errorf("%s is left", key)
		}
	}
	if of := append(s.callbacks.named(film, "composition-available"), s.callbacks.named(recording, "recording-completed")...); len(of) != 0 {
		t.Errorf("callbacks announce deleted resources: %v", of)
	}
}

func TestDelivery_ResumesAfterARestart(t *testing.T) {
	for name, stop := range map[string]func(*testing.T, *s3Service){
		"killed":  func(_ *testing.T, s *s3Service) { s.kill() },
		"stopped": func(t *testing.T, s *s3Service) { s.stop(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWithS3(t, "server.shutdown_grace=200ms")
			configureWithGo(t, s, "recording", external(s.credential(t, false), s.folder("recordings")))
			path := largeRecording(t, 20<<20)
			begun, proceed := make(chan struct{}), make(chan struct{})
			var once sync.Once
			s.faults.set(func(r s3test.Request) s3test.Fault {
				if r.Part() && strings.Contains(r.Query, "partNumber=3") {
					once.Do(func() { close(begun) })
					<-proceed
				}
				return s3test.Fault{}
			})
			room := s.openRoom(t)
			sid := s.upload(t, room, path)
			<-begun
			stop(t, s)
			close(proceed)
			if name == "killed" && len(s.s3.Unfinished(t)) != 1 {
				t.Fatal("there was no unfinished upload")
			}
			s.start(t)
			_, arrived := s.external(t, s.wait(t, sid, "recording-completed").Get("MediaExternalLocation"))
			sameContent(t, arrived, path)
			if left := s.s3.Unfinished(t); len(left) != 0 {
				t.Errorf("unfinished uploads of %v", left)
			}
			if n := len(s.callbacks.named(sid, "recording-completed")); n != 1 {
				t.Errorf("%d callbacks, want 1", n)
			}
		})
	}
}

// aws returns the credential of the composition settings.
func (s *s3Service) aws(t *testing.T) string {
	t.Helper()
	settings, err := s.api.VideoV1.FetchCompositionSettings()
	if err != nil {
		t.Fatal(err)
	}
	return *settings.AwsCredentialsSid
}

// writes counts the PUT requests that passed the proxy.
func (s *s3Service) writes() (n int) {
	for _, r := range s.proxy.Requests() {
		if r.Method == http.MethodPut {
			n++
		}
	}
	return n
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// largeRecording makes a recording of about the given size. Its frames have valid VP8 headers and contain noise.
func largeRecording(t testing.TB, bytes int64) string {
	t.Helper()
	const frame = 256 << 10
	track := media.OutputTrack{Codec: "vp8", Width: 320, Height: 240, TickNum: 1, TickDen: 25, Length: bytes / frame}
	for range bytes / frame {
		track.Samples = append(track.Samples, media.OutputSample{Size: frame, Len: 1, Key: true})
	}
	track.Open = func() (io.ReadCloser, error) { return io.NopCloser(&noiseFrames{size: frame}), nil }
	file, err := os.Create(filepath.Join(t.TempDir(), "large.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := (matroska.WebM{}).Write(file, []media.OutputTrack{track}); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// noiseFrames is a reader of frames of noise, each with the header of a VP8 keyframe of 320x240.
//
// Source: RFC 6386, section 9.1.
type noiseFrames struct {
	size, at int
	noise    rand.ChaCha8
}

func (f *noiseFrames) Read(p []byte) (int, error) {
	header := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00}
	n := min(len(p), f.size-f.at)
	f.noise.Read(p[:n])
	if f.at < len(header) {
		copy(p[:n], header[f.at:])
	}
	f.at = (f.at + n) % f.size
	return n, nil
}

// post sends an authenticated form and returns the body of the answer.
func (s *s3Service) post(t *testing.T, path string, form ...string) map[string]any {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	answer := s.send(t, http.MethodPost, path, strings.NewReader(values.Encode()))
	defer answer.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body
}

// remove deletes a resource.
func (s *s3Service) remove(t *testing.T, path, sid string) {
	t.Helper()
	answer := s.send(t, http.MethodDelete, path+sid, nil)
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE %s%s: %s", path, sid, answer.Status)
	}
}

func (s *s3Service) send(t *testing.T, method, path string, form io.Reader) *http.Response {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, s.url+path, form)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(s.account, s.token)
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// failure returns the error number of a failed recording or composition.
func (s *s3Service) failure(t *testing.T, sid string) int {
	t.Helper()
	kind := "Compositions"
	if strings.HasPrefix(sid, "RT") {
		kind = "Recordings"
	}
	_, body := s.get(t, "/roomreel/v1/"+kind+"/"+sid+"/Report")
	failure, _ := body["failure"].(map[string]any)
	code, _ := failure["code"].(float64)
	return int(code)
}
