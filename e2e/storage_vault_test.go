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

	"roomreel/internal/blob/s3/s3test"
)

// vaultIn keeps the vault in a folder of a bucket.
func vaultIn(server *s3test.Server, host string) []string {
	return []string{
		"vault.url=s3://" + server.Bucket + "/media", "vault.endpoint=http://" + host, "vault.region=" + s3test.Region,
		"vault.path_style=true", "vault.access_key=" + server.AccessKey, "vault.secret_key=" + server.SecretKey,
	}
}

// openVaultDepot is openDepot with its vault in the bucket, behind the same line.
func openVaultDepot(t *testing.T, set ...string) *depot {
	t.Helper()
	d := prepareDepot(t, set...)
	d.set = append(d.set, vaultIn(d.bucket, d.line.Host)...)
	d.start(t)
	return d
}

// TestVault_ServesWhatIsSealed downloads sealed media from the vault, in a folder and in a bucket, as Twilio's decrypter
// does, and opens it with openssl and with roomreel decrypt.
func TestVault_ServesWhatIsSealed(t *testing.T) {
	for name, open := range map[string]func(*testing.T, ...string) *depot{"folder": openDepot, "bucket": openVaultDepot} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			private, key := d.keys(t)
			withGo(t, d, "recording", sealing(key))
			withGo(t, d, "composition", sealing(key))
			room, recordings := d.room(t)
			film := d.compose(t, room, true)
			for _, sid := range recordings {
				d.wait(t, sid, "recording-completed")
			}
			d.wait(t, film, "composition-available")

			media := "/v1/Compositions/" + film + "/Media"
			answer, sealed := d.download(t, media+"?Ttl=60&ContentDisposition="+url.QueryEscape(`attachment; filename="a b.mp4"`))
			if got := answer.Header.Get("Content-Disposition"); got != `attachment; filename="a b.mp4"` {
				t.Errorf("Content-Disposition is %s", got)
			}
			plain := unsealed(t, private, answer.Header, sealed)
			plays(t, plain)
			if length := size(t, sealed); length != size(t, plain)/16*16+16 || answer.ContentLength != length {
				t.Errorf("%d bytes are sealed in %d, announced as %d", size(t, plain), length, answer.ContentLength)
			}
			part, piece := d.download(t, media, "Range", "bytes=16-47")
			whole, err := os.ReadFile(sealed)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(piece); part.StatusCode != http.StatusPartialContent || !bytes.Equal(got, whole[16:48]) {
				t.Errorf("a range: %s, %d bytes", part.Status, len(got))
			}
			if part.Header.Get("X-Amz-Meta-X-Amz-Key") == "" {
				t.Error("a range lacks the key")
			}
			answer, sealed = d.download(t, "/v1/Recordings/"+recordings[1]+"/Media")
			sameContent(t, unsealed(t, private, answer.Header, sealed), files(t)[1])

			out := filepath.Join(t.TempDir(), "film.mp4")
			d.decrypt(t, private, media, out)
			sameContent(t, out, plain)
			other := filepath.Join(t.TempDir(), "other.pem")
			openssl(t, "genrsa", "-out", other, "2048")
			command := exec.Command(filepath.Join(bin, "roomreel"), "decrypt", "--key", other, "--user", d.account+":"+d.token,
				"--url", d.url+media, "-o", out+"2")
			if words, err := command.CombinedOutput(); err == nil || command.ProcessState.ExitCode() == 0 {
				t.Errorf("another key opens it: %s", words)
			}
			if _, err := os.Stat(out + "2"); err == nil {
				t.Error("a wrong key left a file")
			}
			d.holdsNothingPlain(t, append(files(t), plain)...)
		})
	}
}

// decrypt runs roomreel decrypt on a Media resource.
func (d *depot) decrypt(t *testing.T, private, path, out string) {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), "decrypt", "--key", private, "--url", d.url+path, "-o", out)
	command.Env = append(os.Environ(), "ROOMREEL_USER="+d.account+":"+d.token)
	if words, err := command.CombinedOutput(); err != nil {
		t.Fatalf("roomreel decrypt: %v\n%s", err, words)
	}
}

func TestVault_SealsWithCMSWhereTheConfigurationSaysSo(t *testing.T) {
	d := openDepot(t, "encryption.seal=cms-gcm")
	private, key := d.keys(t)
	c := sealing(key)
	withGo(t, d, "recording", c)
	c.AwsStorageEnabled, c.AwsCredentialsSid, c.AwsS3Url = yes(true), d.credential(t, false), d.folder("films")
	withGo(t, d, "composition", c)
	room, recordings := d.room(t)

	d.wait(t, recordings[0], "recording-completed")
	answer, sealed := d.download(t, "/v1/Recordings/"+recordings[0]+"/Media")
	if got := answer.Header.Get("Content-Type"); got != "application/cms" {
		t.Errorf("served as %s", got)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", private, "-in", sealed, "-out", plain)
	sameContent(t, plain, files(t)[0])
	out := filepath.Join(t.TempDir(), "out.mkv")
	d.decrypt(t, private, "/v1/Recordings/"+recordings[0]+"/Media", out)
	sameContent(t, out, plain)

	film := d.compose(t, room, true)
	header, sealed := d.external(t, d.wait(t, film, "composition-available").Get("MediaExternalLocation"))
	if header.Get("Content-Type") != "application/cms" || header.Get("X-Amz-Meta-X-Roomreel-Seal") != "cms-gcm" {
		t.Errorf("in the bucket: %v", header)
	}
	openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", private, "-in", sealed, "-out", plain)
	plays(t, plain)
}

// TestVault_InABucketHoldsAll runs the whole service with nothing but rows on its own disk.
func TestVault_InABucketHoldsAll(t *testing.T) {
	d := openVaultDepot(t)
	room, recordings := d.room(t)
	film := d.compose(t, room, true)
	d.wait(t, film, "composition-available")

	disposition := `inline; filename="stand-up.mp4"`
	answer, body := d.get(t, "/v1/Compositions/"+film+"/Media?Ttl=120&ContentDisposition="+url.QueryEscape(disposition))
	link, err := url.Parse(fmt.Sprint(body["redirect_to"]))
	if err != nil || answer.StatusCode != http.StatusFound || link.Host != d.line.Host || link.Query().Get("X-Amz-Expires") != "120" {
		t.Fatalf("the film is at %v, %v", body, err)
	}
	got, path := fetch(t, link.String())
	if got.Header.Get("Content-Disposition") != disposition || got.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("the film comes with %v", got.Header)
	}
	plays(t, path)
	if part, _ := fetch(t, link.String(), "Range", "bytes=0-9"); part.StatusCode != http.StatusPartialContent || part.ContentLength != 10 {
		t.Errorf("a range: %s", part.Status)
	}
	_, path = d.download(t, "/v1/Recordings/"+recordings[1]+"/Media")
	sameContent(t, path, files(t)[1])
	_, body = d.get(t, "/v1/Compositions/"+film+"/Media?Ttl=1")
	eventually(t, "a link of a second expires", func() bool {
		answer, _ := fetch(t, fmt.Sprint(body["redirect_to"]))
		return answer.StatusCode == http.StatusForbidden
	})
	d.holdsNothingPlain(t, append(files(t), path)...)
	for key := range d.objects(t, "media/work/") {
		t.Errorf("%s is left in the work folder", key)
	}

	// Deleting reaches the bucket, although that is in the way at first.
	d.faults.set(func(r s3test.Request) s3test.Fault {
		if r.Method == http.MethodDelete && r.Number%2 == 0 {
			return s3test.Fault{Status: 500}
		}
		return s3test.Fault{}
	})
	d.remove(t, "/v1/Compositions/", film)
	for _, sid := range recordings {
		d.remove(t, "/v1/Recordings/", sid)
		d.remove(t, "/v1/Recordings/", sid) // again: nothing happens
	}
	eventually(t, "nothing is left in the bucket", func() bool { return len(d.objects(t, "media/")) == 0 })
	if again, _ := fetch(t, link.String()); again.StatusCode != http.StatusNotFound {
		t.Errorf("the old link of a deleted film: %s", again.Status)
	}
	if c, err := d.api.VideoV1.FetchComposition(film); err != nil || *c.Status != "deleted" {
		t.Errorf("its metadata: %+v, %v", c, err)
	}
}

// objects lists what the bucket holds under a prefix, with sizes.
func (d *depot) objects(t *testing.T, prefix string) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	for o := range d.bucket.Admin.ListObjects(t.Context(), d.bucket.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if !strings.HasSuffix(o.Key, "/") { // versitygw keeps folders
			found[o.Key] = o.Size
		}
	}
	return found
}

func TestDelete_ReallyDeletes(t *testing.T) {
	d := openDepot(t)
	room, recordings := d.room(t)
	film := d.compose(t, room, false)
	d.wait(t, film, "composition-available")
	if n := len(d.stored(t, "vault")); n != 5 { // two recordings with their indexes, and a film
		t.Fatalf("the vault holds %v", d.stored(t, "vault"))
	}
	_, body := d.get(t, "/v1/Compositions/"+film+"/Media")

	// What cannot be deleted now is deleted once it can be.
	folder := filepath.Join(d.data, "vault", d.account)
	aside := folder + ".aside"
	if err := os.Rename(folder, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	d.remove(t, "/v1/Compositions/", film)
	d.remove(t, "/v1/Recordings/", recordings[0])
	if answer, _ := fetch(t, fmt.Sprint(body["redirect_to"])); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the old link of a deleted film: %s", answer.Status)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, folder); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted are gone", func() bool { return len(d.stored(t, "vault")) == 2 })
	for _, name := range d.stored(t, "vault") {
		if !strings.Contains(name, recordings[1]) {
			t.Errorf("%s is left", name)
		}
	}
	d.remove(t, "/v1/Recordings/", recordings[0])
	d.remove(t, "/v1/Compositions/", film)
	if r, err := d.api.VideoV1.FetchRecording(recordings[0]); err != nil || *r.Status != "deleted" {
		t.Errorf("the metadata: %+v, %v", r, err)
	}
	_, log := d.get(t, "/roomreel/v1/AuditLog")
	deletes := 0
	for _, entry := range log["entries"].([]any) {
		entry := entry.(map[string]any)
		if entry["verb"] == "delete" && entry["actor"] == d.account && (entry["subject"] == film || entry["subject"] == recordings[0]) {
			deletes++
		}
	}
	if deletes != 2 {
		t.Errorf("the audit log has %d deletes of two things: %v", deletes, log)
	}
}

// TestExternal_MediaLeadsThereWhereTheCredentialReads is the other half of what a key that may only write gets.
func TestExternal_MediaLeadsThereWhereTheCredentialReads(t *testing.T) {
	d := openDepot(t)
	aws := d.credential(t, false)
	withGo(t, d, "recording", external(aws, d.folder("recordings of 2026")))
	room, recordings := d.room(t)
	_ = room
	for i, sid := range recordings {
		d.wait(t, sid, "recording-completed")
		answer, path := d.download(t, "/v1/Recordings/"+sid+"/Media?Ttl=60")
		sameContent(t, path, files(t)[i])
		if got, want := answer.Header.Get("Content-Disposition"), `attachment; filename="`+sid; !strings.HasPrefix(got, want) {
			t.Errorf("Content-Disposition is %s", got)
		}
	}
	says := func(words string) {
		t.Helper()
		answer, body := d.get(t, "/v1/Recordings/"+recordings[0]+"/Media")
		if answer.StatusCode != http.StatusNotFound || !strings.Contains(fmt.Sprint(body["message"]), words) {
			t.Errorf("Media: %s %v, want 404 that says %q", answer.Status, body, words)
		}
	}
	for key := range d.objects(t, "recordings of 2026/") {
		if err := d.bucket.Admin.RemoveObject(t.Context(), d.bucket.Bucket, key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	says("removed")
	d.remove(t, "/v1/Credentials/AWS/", aws)
	says("credential that stored it there was deleted")
	// What the customer's bucket holds is the customer's: deleting the recording leaves it alone.
	d.remove(t, "/v1/Recordings/", recordings[0])
	if r, err := d.api.VideoV1.FetchRecording(recordings[0]); err != nil || *r.Status != "deleted" {
		t.Errorf("deleted: %+v, %v", r, err)
	}
}
