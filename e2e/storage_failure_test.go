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

// external is the configuration of Twilio's sample "Upload to external bucket".
func external(aws, url string) configuration {
	return configuration{FriendlyName: "Upload to external bucket", AwsCredentialsSid: aws, AwsS3Url: url, AwsStorageEnabled: yes(true)}
}

// sealing is the configuration of Twilio's sample "Upload encrypted".
func sealing(key string) configuration {
	return configuration{FriendlyName: "Upload encrypted", EncryptionKeySid: key, EncryptionEnabled: yes(true)}
}

func TestSettings_RefuseWhatCannotWork(t *testing.T) {
	d := openDepot(t)
	owner, writer := d.credential(t, false), d.credential(t, true)
	_, key := d.keys(t)
	wrong := func(pair string) string {
		sid, _ := d.post(t, "/v1/Credentials/AWS", "Credentials", pair)["sid"].(string)
		return sid
	}
	for name, test := range map[string]struct {
		in     configuration
		number int // in recording settings; composition settings' are 10 more
	}{
		"no_such_bucket":       {external(owner, "http://"+d.line.Host+"/no-such-bucket/x"), 53610},
		"other_host":           {external(owner, "http://127.0.0.1:1/bucket/x"), 53610},
		"host_not_allowed":     {external(owner, "https://minio.example.com/bucket/x"), 53610},
		"metadata_service":     {external(owner, "http://169.254.169.254/latest/meta-data"), 53610},
		"unknown_key":          {external(wrong("AKIANOBODYKNOWSME:secret"), d.folder("x")), 53611},
		"wrong_secret":         {external(wrong(d.bucket.AccessKey+":wrong"), d.folder("x")), 53611},
		"may_not_write":        {external(writer, d.folder("x")), 53615},
		"no_such_credential":   {external("CR00000000000000000000000000000000", d.folder("x")), 53613},
		"a_key_as_credential":  {external(key, d.folder("x")), 53613},
		"no_such_public_key":   {sealing("CR00000000000000000000000000000000"), 53614},
		"a_credential_as_key":  {sealing(owner), 53614},
		"encryption_alone":     {configuration{FriendlyName: "x", EncryptionEnabled: yes(true)}, 53612},
		"storage_without_more": {configuration{FriendlyName: "x", AwsStorageEnabled: yes(true)}, 53611},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, more := range map[string]int{"recording": 0, "composition": 10} {
				var refused *twilioclient.TwilioRestError
				err := d.configure(kind, test.in)
				if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || refused.Code != test.number+more {
					t.Errorf("%s settings: %v, want 400 and %d", kind, err, test.number+more)
				}
				if read, err := d.api.VideoV1.FetchRecordingSettings(); err != nil || *read.AwsStorageEnabled || *read.EncryptionEnabled {
					t.Errorf("what was refused holds: %+v, %v", read, err)
				}
			}
		})
	}
	t.Run("line_is_down", func(t *testing.T) {
		d.faults.set(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: 500} })
		var refused *twilioclient.TwilioRestError
		if err := d.configure("composition", external(owner, d.folder("x"))); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
			t.Errorf("while the store is down: %v, want 503", err)
		}
	})
}

// TestDelivery_ThatOnlyTheCustomerCanMendFailsAtOnce breaks what the settings had proved, after they were taken.
func TestDelivery_ThatOnlyTheCustomerCanMendFailsAtOnce(t *testing.T) {
	d := openDepot(t)
	room, _ := d.room(t)
	refuse := func(status int, code string) func(*testing.T) {
		return func(*testing.T) {
			d.faults.set(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: status, Code: code} })
		}
	}
	for name, test := range map[string]struct {
		spoil  func(t *testing.T)
		number int
	}{
		"bucket_gone":      {refuse(404, "NoSuchBucket"), 53664},
		"credential_wrong": {refuse(403, "InvalidAccessKeyId"), 53665},
		"secret_wrong":     {refuse(403, "SignatureDoesNotMatch"), 53665},
		"access_denied":    {refuse(403, "AccessDenied"), 53669},
		"credential_gone": {func(t *testing.T) {
			d.remove(t, "/v1/Credentials/AWS/", d.aws(t))
		}, 53667},
		"public_key_gone": {func(t *testing.T) {
			settings, err := d.api.VideoV1.FetchCompositionSettings()
			if err != nil {
				t.Fatal(err)
			}
			d.remove(t, "/v1/Credentials/PublicKeys/", *settings.EncryptionKeySid)
		}, 53668},
	} {
		t.Run(name, func(t *testing.T) {
			d.faults.set(nil)
			c := external(d.credential(t, false), d.folder("films"))
			_, key := d.keys(t)
			c.EncryptionKeySid, c.EncryptionEnabled = key, yes(true)
			withGo(t, d, "composition", c)
			// The settings of a composition are those of the time when it was asked for; its work waits for the room.
			later := d.openRoom(t)
			for _, path := range files(t) {
				d.upload(t, later, path)
			}
			sid := d.compose(t, later, false)
			test.spoil(t)
			asked := d.writes()
			d.complete(t, later)
			failed := d.wait(t, sid, "composition-failed")
			if failed.Get("ErrorMessage") == "" || failed.Get("FailedOperation") == "" {
				t.Errorf("the callback says %v", failed)
			}
			if number := d.failure(t, sid); number != test.number {
				t.Errorf("failed with %d, want %d", number, test.number)
			}
			if n := d.writes() - asked; n > 1 {
				t.Errorf("%d requests wrote, want one at most: nothing to retry", n)
			}
			if c, err := d.api.VideoV1.FetchComposition(sid); err != nil || *c.Status != "failed" {
				t.Errorf("the composition: %+v, %v", c, err)
			}
		})
	}
	d.faults.set(nil)
	withGo(t, d, "composition", configuration{FriendlyName: "Reset"})
	d.wait(t, d.compose(t, room, false), "composition-available") // the others' failures are theirs alone
	eventually(t, "failed films are erased from the work folder", func() bool { return len(d.stored(t, "work")) == 0 })
}

func TestDelivery_OutlastsWhatPasses(t *testing.T) {
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
			d := openDepot(t)
			withGo(t, d, "recording", external(d.credential(t, false), d.folder("recordings")))
			withGo(t, d, "composition", external(d.credential(t, false), d.folder("films")))
			d.faults.set(test.faults)
			path := files(t)[1]
			if test.large {
				path = largeRecording(t, 20<<20)
			}
			room := d.openRoom(t)
			recording := d.upload(t, room, path)
			_, arrived := d.external(t, d.wait(t, recording, "recording-completed").Get("MediaExternalLocation"))
			sameContent(t, arrived, path)
			if left := d.bucket.Unfinished(t); len(left) != 0 {
				t.Errorf("unfinished uploads of %v", left)
			}
			if test.large {
				return // its frames are noise that nobody can decode
			}
			d.complete(t, room)
			d.faults.set(test.faults)
			film := d.wait(t, d.compose(t, room, false), "composition-available")
			if _, path := d.external(t, film.Get("MediaExternalLocation")); film.Get("Size") != fmt.Sprint(size(t, path)) {
				t.Errorf("the film has %d bytes, and the callback says %s", size(t, path), film.Get("Size"))
			}
			if n := len(d.told.of(recording, "recording-completed")); n != 1 {
				t.Errorf("%d callbacks say that the recording is completed", n)
			}
		})
	}
}

// TestDelivery_OfARecordingWaitsForItsCustomer is what tells recordings from compositions: a policy that is mended in
// time is enough.
func TestDelivery_OfARecordingWaitsForItsCustomer(t *testing.T) {
	d := openDepot(t)
	d.bucket.AllowWriter(t, "s3:PutObject")
	withGo(t, d, "recording", external(d.credential(t, true), d.folder("recordings")))
	d.bucket.AllowWriter(t, "s3:GetObject") // and no more: from now on writing is forbidden
	room := d.openRoom(t)
	sid := d.upload(t, room, files(t)[0])
	eventually(t, "delivery was tried twice", func() bool { return d.writes() >= 3 }) // the settings' own test is the first
	if r, err := d.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "processing" {
		t.Errorf("refused, the recording is %+v, %v", r, err)
	}
	d.bucket.AllowWriter(t, "s3:PutObject")
	_, arrived := d.external(t, d.wait(t, sid, "recording-completed").Get("MediaExternalLocation"))
	sameContent(t, arrived, files(t)[0])
}

func TestDelivery_OfARecordingIsGivenUpAfterTheDeadline(t *testing.T) {
	d := openDepot(t, "s3.give_up=4s")
	aws := d.credential(t, false)
	withGo(t, d, "recording", external(aws, d.folder("recordings")))
	d.faults.set(func(r s3test.Request) s3test.Fault { return s3test.Fault{Status: 403, Code: "AccessDenied"} })
	room := d.openRoom(t)
	sid := d.upload(t, room, files(t)[0])
	eventually(t, "delivery was tried twice", func() bool { return d.writes() >= 3 })
	if kept := d.stored(t, "work"); len(kept) != 1 && len(d.told.of(sid, "recording-failed")) == 0 {
		t.Errorf("before the deadline, the work folder holds %v", kept)
	}
	failed := d.wait(t, sid, "recording-failed")
	if failed.Get("FailedOperation") != "RecordingUpload" {
		t.Errorf("the callback says %v", failed)
	}
	if r, err := d.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "failed" {
		t.Errorf("the recording: %+v, %v", r, err)
	}
	if number := d.failure(t, sid); number != 53616 {
		t.Errorf("failed with %d, want 53616", number)
	}
	eventually(t, "its working copy is erased", func() bool { return len(d.stored(t, "work")) == 0 })
	d.faults.set(nil)
	d.remove(t, "/v1/Recordings/", sid)
	eventually(t, "its index is erased", func() bool { return len(d.stored(t, "vault")) == 0 })
}

func TestDelivery_OfAFilmIsGivenUpAfterTheDeadline(t *testing.T) {
	d := openDepot(t, "s3.give_up=3s")
	withGo(t, d, "composition", external(d.credential(t, false), d.folder("films")))
	room, _ := d.room(t)
	d.faults.set(func(r s3test.Request) s3test.Fault { return s3test.Fault{Status: 503, Code: "SlowDown"} })
	sid := d.compose(t, room, false)
	if failed := d.wait(t, sid, "composition-failed"); !strings.Contains(failed.Get("ErrorMessage"), "in time") {
		t.Errorf("the callback says %v", failed)
	}
	if number := d.failure(t, sid); number != 53626 {
		t.Errorf("failed with %d, want 53626", number)
	}
	eventually(t, "its film is erased", func() bool { return len(d.stored(t, "work")) == 0 })
}

// TestDelete_InTheMiddleOfADelivery deletes what is on its way into the vault: nothing of it may be there in the end.
func TestDelete_InTheMiddleOfADelivery(t *testing.T) {
	d := openVaultDepot(t)
	_, key := d.keys(t)
	withGo(t, d, "recording", sealing(key))
	withGo(t, d, "composition", sealing(key))
	plain, _ := d.room(t)
	kept := d.objects(t, "media/")
	eventually(t, "only the recordings and their indexes are kept", func() bool {
		kept = d.objects(t, "media/")
		return len(kept) == 6 // each sealed, its working copy, and its index
	})
	arrived, up := make(chan struct{}, 100), make(chan struct{})
	d.faults.set(func(r s3test.Request) s3test.Fault {
		if r.Method == http.MethodPut && !strings.Contains(r.Path, "/work/") && !strings.HasSuffix(r.Path, ".index") {
			arrived <- struct{}{}
			<-up
		}
		return s3test.Fault{}
	})
	film := d.compose(t, plain, false)
	<-arrived
	room := d.openRoom(t)
	recording := d.upload(t, room, files(t)[1])
	<-arrived
	d.remove(t, "/v1/Compositions/", film)
	d.remove(t, "/v1/Recordings/", recording)
	close(up)
	eventually(t, "what arrived in vain is taken away", func() bool {
		return slices.ContainsFunc(d.line.Requests(), func(r s3test.Request) bool {
			return r.Method == http.MethodDelete && strings.HasSuffix(r.Path, recording+".mka") && !strings.Contains(r.Path, "/work/")
		})
	})
	eventually(t, "what was deleted is not in the vault", func() bool { return len(d.objects(t, "media/")) == len(kept) })
	for key := range d.objects(t, "media/") {
		if _, before := kept[key]; !before {
			t.Errorf("%s is left", key)
		}
	}
	if of := append(d.told.of(film, "composition-available"), d.told.of(recording, "recording-completed")...); len(of) != 0 {
		t.Errorf("the deleted are announced: %v", of)
	}
}

func TestDelivery_GoesOnAfterARestart(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *depot){
		"killed":  func(_ *testing.T, d *depot) { d.kill() },
		"stopped": func(t *testing.T, d *depot) { d.stop(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDepot(t, "server.shutdown_grace=200ms")
			withGo(t, d, "recording", external(d.credential(t, false), d.folder("recordings")))
			path := largeRecording(t, 20<<20)
			begun, up := make(chan struct{}), make(chan struct{})
			var once sync.Once
			d.faults.set(func(r s3test.Request) s3test.Fault {
				if r.Part() && strings.Contains(r.Query, "partNumber=3") {
					once.Do(func() { close(begun) })
					<-up
				}
				return s3test.Fault{}
			})
			room := d.openRoom(t)
			sid := d.upload(t, room, path)
			<-begun
			end(t, d)
			close(up)
			if name == "killed" && len(d.bucket.Unfinished(t)) != 1 {
				t.Fatal("it was not in the middle of an upload")
			}
			d.start(t)
			_, arrived := d.external(t, d.wait(t, sid, "recording-completed").Get("MediaExternalLocation"))
			sameContent(t, arrived, path)
			if left := d.bucket.Unfinished(t); len(left) != 0 {
				t.Errorf("unfinished uploads of %v", left)
			}
			if n := len(d.told.of(sid, "recording-completed")); n != 1 {
				t.Errorf("%d callbacks", n)
			}
		})
	}
}

// aws returns the credential of the composition settings.
func (d *depot) aws(t *testing.T) string {
	t.Helper()
	settings, err := d.api.VideoV1.FetchCompositionSettings()
	if err != nil {
		t.Fatal(err)
	}
	return *settings.AwsCredentialsSid
}

// writes counts the requests on the line that store something.
func (d *depot) writes() (n int) {
	for _, r := range d.line.Requests() {
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

// largeRecording makes a recording of about so many bytes. Its frames are noise behind the headers of VP8.
func largeRecording(t testing.TB, bytes int64) string {
	t.Helper()
	const frame = 256 << 10
	track := media.OutputTrack{Codec: "vp8", Width: 320, Height: 240, TickNum: 1, TickDen: 25, Length: bytes / frame}
	for range bytes / frame {
		track.Samples = append(track.Samples, media.OutputSample{Size: frame, Len: 1, Key: true})
	}
	track.Open = func() (io.ReadCloser, error) { return io.NopCloser(&frames{size: frame}), nil }
	file, err := os.Create(filepath.Join(t.TempDir(), "large.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := matroska.WriteWebM(file, []media.OutputTrack{track}); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// frames reads as frames of noise, each with the header of a VP8 keyframe of 320 by 240.
//
// Source: RFC 6386, section 9.1.
type frames struct {
	size, at int
	noise    rand.ChaCha8
}

func (f *frames) Read(p []byte) (int, error) {
	header := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00}
	n := min(len(p), f.size-f.at)
	f.noise.Read(p[:n])
	if f.at < len(header) {
		copy(p[:n], header[f.at:])
	}
	f.at = (f.at + n) % f.size
	return n, nil
}

// post sends a form, signed in, and returns the body of the answer.
func (d *depot) post(t *testing.T, path string, form ...string) map[string]any {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	answer := d.send(t, http.MethodPost, path, strings.NewReader(values.Encode()))
	defer answer.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body
}

// remove deletes a resource.
func (d *depot) remove(t *testing.T, path, sid string) {
	t.Helper()
	answer := d.send(t, http.MethodDelete, path+sid, nil)
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE %s%s: %s", path, sid, answer.Status)
	}
}

func (d *depot) send(t *testing.T, method, path string, form io.Reader) *http.Response {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, d.url+path, form)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(d.account, d.token)
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// failure returns the number with which a recording or composition failed.
func (d *depot) failure(t *testing.T, sid string) int {
	t.Helper()
	kind := "Compositions"
	if strings.HasPrefix(sid, "RT") {
		kind = "Recordings"
	}
	_, body := d.get(t, "/roomreel/v1/"+kind+"/"+sid+"/Report")
	failure, _ := body["failure"].(map[string]any)
	code, _ := failure["code"].(float64)
	return int(code)
}
