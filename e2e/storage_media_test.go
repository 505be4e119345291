package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sys/unix"

	"roomreel/internal/blob/s3/s3test"
)

// mediaInS3 returns the settings for a media store in the bucket of an S3 server.
func mediaInS3(server *s3test.Server, host string) []string {
	return []string{
		"vault.url=s3://" + server.Bucket + "/media", "vault.endpoint=http://" + host, "vault.region=" + s3test.Region,
		"vault.path_style=true", "vault.access_key=" + server.AccessKey, "vault.secret_key=" + server.SecretKey,
	}
}

// startWithMediaInS3 is startWithS3 with the media store in the bucket, behind the same proxy.
func startWithMediaInS3(t *testing.T, set ...string) *s3Service {
	t.Helper()
	s := prepareWithS3(t, set...)
	s.set = append(s.set, mediaInS3(s.s3, s.proxy.Host)...)
	s.start(t)
	return s
}

// TestMediaStore_ServesEncryptedMedia downloads encrypted media from a media store in a folder and in a bucket, and decrypts
// it with openssl and with roomreel decrypt.
func TestMediaStore_ServesEncryptedMedia(t *testing.T) {
	for name, open := range map[string]func(*testing.T, ...string) *s3Service{"folder": startWithS3, "bucket": startWithMediaInS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			private, key := s.keys(t)
			configureWithGo(t, s, "recording", sealing(key))
			configureWithGo(t, s, "composition", sealing(key))
			room, recordings := s.room(t)
			film := s.compose(t, room, true)
			for _, sid := range recordings {
				s.wait(t, sid, "recording-completed")
			}
			s.wait(t, film, "composition-available")

			media := "/v1/Compositions/" + film + "/Media"
			answer, sealed := s.download(t, media+"?Ttl=60&ContentDisposition="+url.QueryEscape(`attachment; filename="a b.mp4"`))
			if got := answer.Header.Get("Content-Disposition"); got != `attachment; filename="a b.mp4"` {
				t.Errorf("Content-Disposition is %s", got)
			}
			plain := decryptTwilio(t, private, answer.Header, sealed)
			checkFilm(t, plain)
			if length := size(t, sealed); length != size(t, plain)/16*16+16 || answer.ContentLength != length {
				t.Errorf("%d bytes are encrypted to %d, Content-Length is %d", size(t, plain), length, answer.ContentLength)
			}
			part, partFile := s.download(t, media, "Range", "bytes=16-47")
			whole, err := os.ReadFile(sealed)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(partFile); part.StatusCode != http.StatusPartialContent || !bytes.Equal(got, whole[16:48]) {
				t.Errorf("the answer to a range request: %s, %d bytes", part.Status, len(got))
			}
			if part.Header.Get("X-Amz-Meta-X-Amz-Key") == "" {
				t.Error("the answer to a range request has no key")
			}
			answer, sealed = s.download(t, "/v1/Recordings/"+recordings[1]+"/Media")
			sameContent(t, decryptTwilio(t, private, answer.Header, sealed), files(t)[1])

			out := filepath.Join(t.TempDir(), "film.mp4")
			s.decrypt(t, private, media, out)
			sameContent(t, out, plain)
			other := filepath.Join(t.TempDir(), "other.pem")
			openssl(t, "genrsa", "-out", other, "2048")
			command := exec.Command(filepath.Join(bin, "roomreel"), "decrypt", "--key", other, "--user", s.account+":"+s.token,
				"--url", s.url+media, "-o", out+"2")
			if output, err := command.CombinedOutput(); err == nil {
				t.Errorf("another key decrypts it: %s", output)
			}
			if _, err := os.Stat(out + "2"); err == nil {
				t.Error("a wrong key created a file")
			}
			s.checkNoPlaintext(t, append(files(t), plain)...)
		})
	}
}

// decrypt runs roomreel decrypt on a Media resource.
func (s *s3Service) decrypt(t *testing.T, private, path, out string) {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), "decrypt", "--key", private, "--url", s.url+path, "-o", out)
	command.Env = append(os.Environ(), "ROOMREEL_USER="+s.account+":"+s.token)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("roomreel decrypt: %v\n%s", err, output)
	}
}

func TestMediaStore_EncryptsWithCMSIfConfigured(t *testing.T) {
	s := startWithS3(t, "encryption.seal=cms-gcm")
	private, key := s.keys(t)
	c := sealing(key)
	configureWithGo(t, s, "recording", c)
	c.AwsStorageEnabled, c.AwsCredentialsSid, c.AwsS3Url = new(true), s.credential(t, false), s.folder("films")
	configureWithGo(t, s, "composition", c)
	room, recordings := s.room(t)

	s.wait(t, recordings[0], "recording-completed")
	answer, sealed := s.download(t, "/v1/Recordings/"+recordings[0]+"/Media")
	if got := answer.Header.Get("Content-Type"); got != "application/cms" {
		t.Errorf("served as %s", got)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", private, "-in", sealed, "-out", plain)
	sameContent(t, plain, files(t)[0])
	out := filepath.Join(t.TempDir(), "out.mkv")
	s.decrypt(t, private, "/v1/Recordings/"+recordings[0]+"/Media", out)
	sameContent(t, out, plain)

	film := s.compose(t, room, true)
	header, sealed := s.external(t, s.wait(t, film, "composition-available").Get("MediaExternalLocation"))
	if header.Get("Content-Type") != "application/cms" || header.Get("X-Amz-Meta-X-Roomreel-Seal") != "cms-gcm" {
		t.Errorf("in the bucket: %v", header)
	}
	openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", private, "-in", sealed, "-out", plain)
	checkFilm(t, plain)
}

// TestMediaStore_InABucket runs a service whose only local data is its database.
func TestMediaStore_InABucket(t *testing.T) {
	s := startWithMediaInS3(t)
	room, recordings := s.room(t)
	film := s.compose(t, room, true)
	s.wait(t, film, "composition-available")

	disposition := `inline; filename="stand-up.mp4"`
	answer, body := s.get(t, "/v1/Compositions/"+film+"/Media?Ttl=120&ContentDisposition="+url.QueryEscape(disposition))
	link, err := url.Parse(fmt.Sprint(body["redirect_to"]))
	if err != nil || answer.StatusCode != http.StatusFound || link.Host != s.proxy.Host || link.Query().Get("X-Amz-Expires") != "120" {
		t.Fatalf("the film is at %v, %v", body, err)
	}
	got, path := fetch(t, link.String())
	if got.Header.Get("Content-Disposition") != disposition || got.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("the film has the headers %v", got.Header)
	}
	checkFilm(t, path)
	if part, _ := fetch(t, link.String(), "Range", "bytes=0-9"); part.StatusCode != http.StatusPartialContent || part.ContentLength != 10 {
		t.Errorf("the answer to a range request: %s", part.Status)
	}
	_, path = s.download(t, "/v1/Recordings/"+recordings[1]+"/Media")
	sameContent(t, path, files(t)[1])
	_, body = s.get(t, "/v1/Compositions/"+film+"/Media?Ttl=1")
	s.eventually(t, "a link with a lifetime of 1 s expires", func() bool {
		answer, _ := fetch(t, fmt.Sprint(body["redirect_to"]))
		return answer.StatusCode == http.StatusForbidden
	})
	s.checkNoPlaintext(t, append(files(t), path)...)
	for key := range s.objects(t, "media/work/") {
		t.Errorf("%s was not deleted from the working store", key)
	}

	// Deletions are retried until they succeed.
	s.faults.set(func(r s3test.Request) s3test.Fault {
		if r.Method == http.MethodDelete && r.Number%2 == 0 {
			return s3test.Fault{Status: 500}
		}
		return s3test.Fault{}
	})
	s.remove(t, "/v1/Compositions/", film)
	for _, sid := range recordings {
		s.remove(t, "/v1/Recordings/", sid)
		s.remove(t, "/v1/Recordings/", sid) // a second deletion has no effect
	}
	s.eventually(t, "the bucket is empty", func() bool { return len(s.objects(t, "media/")) == 0 })
	if again, _ := fetch(t, link.String()); again.StatusCode != http.StatusNotFound {
		t.Errorf("the old link of a deleted film: %s", again.Status)
	}
	if c, err := s.api.VideoV1.FetchComposition(film); err != nil || *c.Status != "deleted" {
		t.Errorf("its metadata: %+v, %v", c, err)
	}
}

// objects returns the objects in the bucket with a key prefix, and their sizes.
func (s *s3Service) objects(t *testing.T, prefix string) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	for o := range s.s3.Admin.ListObjects(t.Context(), s.s3.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if !strings.HasSuffix(o.Key, "/") { // versitygw lists folders
			found[o.Key] = o.Size
		}
	}
	return found
}

func TestDelete_RemovesTheBytes(t *testing.T) {
	s := startWithS3(t)
	room, recordings := s.room(t)
	film := s.compose(t, room, false)
	s.wait(t, film, "composition-available")
	if n := len(s.stored(t, "vault")); n != 5 { // two recordings with their indexes, and a film
		t.Fatalf("the media store holds %v", s.stored(t, "vault"))
	}
	_, body := s.get(t, "/v1/Compositions/"+film+"/Media")

	// Deletions that fail are retried.
	folder := filepath.Join(s.data, "vault", s.account)
	aside := folder + ".aside"
	if err := os.Rename(folder, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), folder); err != nil { // the store follows no link out of its folder
		t.Fatal(err)
	}
	s.remove(t, "/v1/Compositions/", film)
	s.remove(t, "/v1/Recordings/", recordings[0])
	if answer, _ := fetch(t, fmt.Sprint(body["redirect_to"])); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the old link of a deleted film: %s", answer.Status)
	}
	// At once: while there is neither the link nor the folder, media that is deleted counts as gone.
	if err := unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, folder, unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the deleted media is gone", func() bool { return len(s.stored(t, "vault")) == 2 })
	for _, name := range s.stored(t, "vault") {
		if !strings.Contains(name, recordings[1]) {
			t.Errorf("%s was not deleted", name)
		}
	}
	s.remove(t, "/v1/Recordings/", recordings[0])
	s.remove(t, "/v1/Compositions/", film)
	if r, err := s.api.VideoV1.FetchRecording(recordings[0]); err != nil || *r.Status != "deleted" {
		t.Errorf("the metadata: %+v, %v", r, err)
	}
	_, log := s.get(t, "/roomreel/v1/AuditLog")
	deletes := 0
	for _, entry := range log["entries"].([]any) {
		entry := entry.(map[string]any)
		if entry["verb"] == "delete" && entry["actor"] == s.account && (entry["subject"] == film || entry["subject"] == recordings[0]) {
			deletes++
		}
	}
	if deletes != 2 {
		t.Errorf("the audit log has %d deletions, want 2: %v", deletes, log)
	}
}

// TestExternal_MediaRedirectsIfTheCredentialCanRead is the opposite case of a credential that can only write.
func TestExternal_MediaRedirectsIfTheCredentialCanRead(t *testing.T) {
	s := startWithS3(t)
	aws := s.credential(t, false)
	configureWithGo(t, s, "recording", external(aws, s.folder("recordings of 2026")))
	_, recordings := s.room(t)
	for i, sid := range recordings {
		s.wait(t, sid, "recording-completed")
		answer, path := s.download(t, "/v1/Recordings/"+sid+"/Media?Ttl=60")
		sameContent(t, path, files(t)[i])
		if got, want := answer.Header.Get("Content-Disposition"), `attachment; filename="`+sid; !strings.HasPrefix(got, want) {
			t.Errorf("Content-Disposition is %s", got)
		}
	}
	checkNotFound := func(message string) {
		t.Helper()
		answer, body := s.get(t, "/v1/Recordings/"+recordings[0]+"/Media")
		if answer.StatusCode != http.StatusNotFound || !strings.Contains(fmt.Sprint(body["message"]), message) {
			t.Errorf("Media: %s %v, want 404 with %q", answer.Status, body, message)
		}
	}
	for key := range s.objects(t, "recordings of 2026/") {
		if err := s.s3.Admin.RemoveObject(t.Context(), s.s3.Bucket, key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	checkNotFound("removed")
	s.remove(t, "/v1/Credentials/AWS/", aws)
	checkNotFound("credential that stored it there was deleted")
	// Deleting the recording does not touch the customer's bucket.
	s.remove(t, "/v1/Recordings/", recordings[0])
	if r, err := s.api.VideoV1.FetchRecording(recordings[0]); err != nil || *r.Status != "deleted" {
		t.Errorf("deleted: %+v, %v", r, err)
	}
}
