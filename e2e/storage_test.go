package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/e2e/fixture"
	"roomreel/internal/blob/s3/s3test"
)

// configuration holds the parameters of the settings samples in Twilio's documentation.
type configuration struct {
	FriendlyName      string `json:"friendlyName"`
	AwsCredentialsSid string `json:"awsCredentialsSid,omitempty"`
	AwsS3Url          string `json:"awsS3Url,omitempty"`
	AwsStorageEnabled *bool  `json:"awsStorageEnabled,omitempty"`
	EncryptionKeySid  string `json:"encryptionKeySid,omitempty"`
	EncryptionEnabled *bool  `json:"encryptionEnabled,omitempty"`
}

// configureFunc sets the recording or the composition settings with one of Twilio's clients.
type configureFunc func(t *testing.T, s *s3Service, kind string, c configuration)

// configureWithGo uses twilio-go.
func configureWithGo(t *testing.T, s *s3Service, kind string, c configuration) {
	t.Helper()
	if err := s.configure(kind, c); err != nil {
		t.Fatalf("%v\n%s", err, s.stderr)
	}
}

func (s *s3Service) configure(kind string, c configuration) error {
	if kind == "recording" {
		params := (&video.CreateRecordingSettingsParams{}).SetFriendlyName(c.FriendlyName)
		if c.AwsStorageEnabled != nil {
			params.SetAwsStorageEnabled(*c.AwsStorageEnabled)
		}
		if c.EncryptionEnabled != nil {
			params.SetEncryptionEnabled(*c.EncryptionEnabled)
		}
		if c.AwsCredentialsSid != "" {
			params.SetAwsCredentialsSid(c.AwsCredentialsSid).SetAwsS3Url(c.AwsS3Url)
		}
		if c.EncryptionKeySid != "" {
			params.SetEncryptionKeySid(c.EncryptionKeySid)
		}
		_, err := s.api.VideoV1.CreateRecordingSettings(params)
		return err
	}
	params := (&video.CreateCompositionSettingsParams{}).SetFriendlyName(c.FriendlyName)
	if c.AwsStorageEnabled != nil {
		params.SetAwsStorageEnabled(*c.AwsStorageEnabled)
	}
	if c.EncryptionEnabled != nil {
		params.SetEncryptionEnabled(*c.EncryptionEnabled)
	}
	if c.AwsCredentialsSid != "" {
		params.SetAwsCredentialsSid(c.AwsCredentialsSid).SetAwsS3Url(c.AwsS3Url)
	}
	if c.EncryptionKeySid != "" {
		params.SetEncryptionKeySid(c.EncryptionKeySid)
	}
	_, err := s.api.VideoV1.CreateCompositionSettings(params)
	return err
}

// configureWithNode uses the npm package twilio.
func configureWithNode(t *testing.T, s *s3Service, kind string, c configuration) {
	t.Helper()
	fixture.Need(t, "node")
	if _, err := os.Stat("clients/node/node_modules/twilio"); err != nil {
		if strings.Contains(os.Getenv("ROOMREEL_TEST_REQUIRE"), "node") {
			t.Fatal("npm twilio is required and not installed; scripts/setup.sh test installs it")
		}
		t.Skip("npm twilio is not installed; scripts/setup.sh test installs it")
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", "settings.js", kind, string(text))
	command.Dir = "clients/node"
	command.Env = append(os.Environ(), "ROOMREEL_URL="+s.url, "TWILIO_ACCOUNT_SID="+s.account, "TWILIO_AUTH_TOKEN="+s.token)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("node settings.js: %v\n%s", err, out)
	}
}

// TestStorage_EncryptedAndExternal follows Twilio's samples "upload encrypted to an external bucket" and "resetting default
// configuration", with a credential that can only write.
func TestStorage_EncryptedAndExternal(t *testing.T) {
	for name, set := range map[string]configureFunc{"twilio-go": configureWithGo, "twilio-node": configureWithNode} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWithS3(t)
			s.s3.AllowWriter(t, "s3:PutObject")
			private, key := s.keys(t)
			aws := s.credential(t, true)
			for _, kind := range []string{"recording", "composition"} {
				set(t, s, kind, configuration{
					FriendlyName: "Upload encrypted", AwsCredentialsSid: aws, AwsS3Url: s.folder(kind),
					AwsStorageEnabled: new(true), EncryptionKeySid: key, EncryptionEnabled: new(true),
				})
			}

			// Until its delivery, a recording is processing.
			proceed := make(chan struct{})
			s.faults.set(func(s3test.Request) s3test.Fault { <-proceed; return s3test.Fault{} })
			room, recordings := s.room(t)
			for _, sid := range recordings {
				if r, err := s.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "processing" || r.MediaExternalLocation != nil {
					t.Errorf("before its delivery, the recording is %+v, %v", r, err)
				}
			}
			if answer, _ := s.get(t, "/v1/Recordings/"+recordings[0]+"/Media"); answer.StatusCode != http.StatusNotFound {
				t.Errorf("its media before its delivery: %s", answer.Status)
			}
			close(proceed)
			for i, sid := range recordings {
				location := s.wait(t, sid, "recording-completed").Get("MediaExternalLocation")
				if want := s.folder("recording") + "/" + s.account + "/" + sid; location != want+".mkv" && location != want+".mka" {
					t.Errorf("the recording is at %s, want %s.mk?", location, want)
				}
				header, sealed := s.external(t, location)
				sameContent(t, decryptTwilio(t, private, header, sealed), files(t)[i])
				if r, err := s.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "completed" || *r.MediaExternalLocation != location {
					t.Errorf("after its delivery, the recording is %+v, %v", r, err)
				}
			}

			// Recordings that are encrypted in a bucket can be composed. The film is delivered there too.
			film := s.compose(t, room, true)
			available := s.wait(t, film, "composition-available")
			location := available.Get("MediaExternalLocation")
			if want := s.folder("composition") + "/" + s.account + "/" + film + ".mp4"; location != want {
				t.Errorf("the film is at %s, want %s", location, want)
			}
			header, sealed := s.external(t, location)
			plain := decryptTwilio(t, private, header, sealed)
			checkFilm(t, plain)
			if info, err := os.Stat(plain); err != nil || available.Get("Size") != fmt.Sprint(info.Size()) {
				t.Errorf("the callback says that the film has %s bytes, want %d", available.Get("Size"), info.Size())
			}
			answer, body := s.get(t, "/v1/Compositions/"+film+"/Media")
			if answer.StatusCode != http.StatusNotFound || !strings.Contains(fmt.Sprint(body["message"]), location) {
				t.Errorf("with a credential that cannot read, Media answers %s %v, want 404 with the location", answer.Status, body)
			}
			s.checkNoPlaintext(t, append(files(t), plain)...)

			for _, kind := range []string{"recording", "composition"} {
				set(t, s, kind, configuration{FriendlyName: "Reset", AwsStorageEnabled: new(false), EncryptionEnabled: new(false)})
			}
			again := s.compose(t, room, true)
			if at := s.wait(t, again, "composition-available").Get("MediaExternalLocation"); at != "" {
				t.Errorf("after the reset, a film was delivered to %s", at)
			}
			_, path := s.download(t, "/v1/Compositions/"+again+"/Media")
			checkFilm(t, path)
			if left := s.s3.Unfinished(t); len(left) != 0 {
				t.Errorf("unfinished uploads of %v", left)
			}
		})
	}
}

// decryptTwilio decrypts Twilio's envelope with openssl, as Twilio's documentation says. It returns the path of the plain file.
func decryptTwilio(t *testing.T, private string, header http.Header, sealed string) string {
	t.Helper()
	if got := header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("encrypted media has the content type %s", got)
	}
	if got := header.Get("X-Amz-Meta-X-Amz-Matdesc"); got != "{}" {
		t.Errorf("x-amz-matdesc is %q", got)
	}
	dir := t.TempDir()
	wrapped, err := base64.StdEncoding.DecodeString(header.Get("X-Amz-Meta-X-Amz-Key"))
	if err != nil {
		t.Fatal(err)
	}
	iv, err := base64.StdEncoding.DecodeString(header.Get("X-Amz-Meta-X-Amz-Iv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.bin.enc"), wrapped, 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, "rsautl", "-decrypt", "-inkey", private, "-in", filepath.Join(dir, "key.bin.enc"), "-out", filepath.Join(dir, "key.bin"))
	key, err := os.ReadFile(filepath.Join(dir, "key.bin"))
	if err != nil || len(key) != 32 {
		t.Fatalf("the key has %d bytes, %v", len(key), err)
	}
	plain := filepath.Join(dir, "plain")
	openssl(t, "enc", "-d", "-aes-256-cbc", "-in", sealed, "-out", plain, "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv))
	info, err := os.Stat(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got := header.Get("X-Amz-Meta-X-Amz-Unencrypted-Content-Length"); got != fmt.Sprint(info.Size()) {
		t.Errorf("unencrypted-content-length is %s, want %d", got, info.Size())
	}
	return plain
}

// checkFilm checks that a film shows alice, and no other participant, for 3 s.
func checkFilm(t *testing.T, path string) {
	t.Helper()
	film := fixture.Open(t, path)
	if film.Duration < 2900*time.Millisecond || film.Duration > 3200*time.Millisecond {
		t.Errorf("the film lasts %v, want 3 s", film.Duration)
	}
	if who := fixture.Who(film.Sample(t, 1500*time.Millisecond)[0], image.Rect(0, 0, 320, 240), fixture.People); who != 0 {
		t.Errorf("the film shows %d, want alice", who)
	}
}

// checkNoPlaintext searches all files of the data folder for parts of plain media files and for container headers.
func (s *s3Service) checkNoPlaintext(t *testing.T, plaintexts ...string) {
	t.Helper()
	secrets := map[string][]byte{"a Matroska file": {0x1a, 0x45, 0xdf, 0xa3}, "an mp4 file": []byte("ftypisom"), "mp4 boxes": []byte("moov")}
	for _, path := range plaintexts {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []int{4, 2, 1} { // away from the container's headers at the start and the end
			at := len(data) / 5 * part
			secrets[fmt.Sprintf("%s at %d", filepath.Base(path), at)] = data[at : at+32]
		}
	}
	looked := 0
	err := filepath.WalkDir(s.data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		for name, secret := range secrets {
			if at := bytes.Index(data, secret); at >= 0 && (len(secret) > 8 || at < 64) {
				t.Errorf("%s holds %s at %d", path, name, at)
			}
		}
		return nil
	})
	if err != nil || looked < 3 {
		t.Errorf("searched %d files: %v", looked, err)
	}
}

// TestWindow_LimitsHowLongEncryptedRecordingsCanBeComposed tests a window of 0, as at Twilio, and one that has passed.
func TestWindow_LimitsHowLongEncryptedRecordingsCanBeComposed(t *testing.T) {
	for name, window := range map[string]string{"as_at_twilio": "0s", "passed": "2s"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWithS3(t, "compose.window="+window)
			_, key := s.keys(t)
			configureWithGo(t, s, "recording", sealing(key))
			room, recordings := s.room(t)
			for _, sid := range recordings {
				s.wait(t, sid, "recording-completed")
			}
			if name == "passed" {
				s.eventually(t, "the window has passed", func() bool {
					sid := s.compose(t, room, false)
					var available, failed int
					s.eventually(t, "the composition ends", func() bool {
						available, failed = len(s.callbacks.named(sid, "composition-available")), len(s.callbacks.named(sid, "composition-failed"))
						return available+failed > 0
					})
					return failed > 0
				})
			}
			sid := s.compose(t, room, false)
			failed := s.wait(t, sid, "composition-failed")
			if message := failed.Get("ErrorMessage"); !strings.Contains(message, "sealed or in external storage") || !strings.Contains(message, "RT") {
				t.Errorf("the callback says %q", message)
			}
			if number := s.failure(t, sid); number != 53628 {
				t.Errorf("failed with %d, want 53628", number)
			}
			s.stop(t) // expired working copies are deleted at every start, and every minute
			s.start(t)
			s.eventually(t, "no working copy remains", func() bool { return len(s.stored(t, "work")) == 0 })
		})
	}
}
