package api

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"roomreel"
)

func TestMedia_RedirectServesWhatWasUploaded(t *testing.T) {
	s := boot(t, Config{})
	want, err := os.ReadFile("testdata/audio.mka")
	if err != nil {
		t.Fatal(err)
	}
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	sid := s.uploadAudio(t, room, "alice").text("sid")
	for _, path := range []string{"/v1/Recordings/" + sid + "/Media", "/v1/Rooms/" + room + "/Recordings/" + sid + "/Media/"} {
		a := s.account.want(t, 302, "GET", path)
		if a.text("redirect_to") == "" || a.text("redirect_to") != a.Header.Get("Location") || len(a.JSON) != 1 || !strings.HasPrefix(a.text("redirect_to"), s.URL) {
			t.Fatalf("%v %s", a.Header, a.Body)
		}
		got := caller{service: s}.want(t, 200, "GET", a.text("redirect_to"))
		if !bytes.Equal(got.Body, want) {
			t.Errorf("%s serves %d bytes, want the %d that were uploaded", path, len(got.Body), len(want))
		}
		for name, value := range map[string]string{
			"Content-Type": "audio/webm", "Content-Disposition": `attachment; filename="` + sid + `.mka"`,
			"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
		} {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, got.Header.Get(name), value)
			}
		}
	}
}

func TestMedia_Ranges(t *testing.T) {
	s := boot(t, Config{})
	want, err := os.ReadFile("testdata/audio.mka")
	if err != nil {
		t.Fatal(err)
	}
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	link := s.account.want(t, 302, "GET", "/v1/Recordings/"+s.uploadAudio(t, room, "alice").text("sid")+"/Media").text("redirect_to")
	anonymous := caller{service: s}
	get := func(method string, headers ...string) answer {
		r := anonymous.request(t, method, link, "")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return anonymous.do(t, r)
	}
	whole := get("HEAD")
	if whole.Status != 200 || whole.Header.Get("Content-Length") != "2762" || len(whole.Body) != 0 {
		t.Errorf("HEAD: %d %v", whole.Status, whole.Header)
	}
	etag := whole.Header.Get("ETag")
	for _, test := range []struct {
		name    string
		headers []string
		status  int
		body    []byte
	}{
		{"middle", []string{"Range", "bytes=100-199"}, 206, want[100:200]},
		{"to_the_end", []string{"Range", "bytes=2700-"}, 206, want[2700:]},
		{"last", []string{"Range", "bytes=-10"}, 206, want[len(want)-10:]},
		{"beyond", []string{"Range", "bytes=2762-"}, 416, nil},
		{"same_tag", []string{"Range", "bytes=0-9", "If-Range", etag}, 206, want[:10]},
		{"other_tag", []string{"Range", "bytes=0-9", "If-Range", `"other"`}, 200, want},
		{"known", []string{"If-None-Match", etag}, 304, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := get("GET", test.headers...)
			if a.Status != test.status || test.body != nil && !bytes.Equal(a.Body, test.body) {
				t.Errorf("%d with %d bytes, want %d with %d", a.Status, len(a.Body), test.status, len(test.body))
			}
		})
	}
	if a := get("GET", "Range", "bytes=0-9,20-29"); a.Status != 206 || !strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %d %v", a.Status, a.Header)
	}
}

func TestMedia_SealedMediaCarriesItsEnvelope(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	sid := s.account.want(t, 201, "POST", "/v1/Compositions", "RoomSid", room, "AudioSources", "*", "Format", "mp4").text("sid")
	s.account.want(t, 202, "POST", "/v1/Rooms/"+room, "Status", "completed")
	s.finish(t, sid, []byte("sealed film bytes"), roomreel.Media{
		Key: s.account.user + "/" + sid + ".mp4", Size: 17,
		Envelope: &roomreel.Envelope{Seal: "twilio", WrappedKey: []byte("wrapped"), IV: []byte("initial"), ContentLength: 12},
	})
	link := s.account.want(t, 302, "GET", "/v1/Compositions/"+sid+"/Media").text("redirect_to")
	a := caller{service: s}.want(t, 200, "GET", link)
	for name, value := range map[string]string{
		"Content-Type": "application/octet-stream", "x-amz-meta-x-amz-key": "d3JhcHBlZA==",
		"x-amz-meta-x-amz-iv": "aW5pdGlhbA==", "x-amz-meta-x-amz-unencrypted-content-length": "12", "x-amz-meta-x-amz-matdesc": "{}",
		"X-Content-Type-Options": "nosniff",
	} {
		if a.Header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, a.Header.Get(name), value)
		}
	}
	if string(a.Body) != "sealed film bytes" {
		t.Errorf("%q", a.Body)
	}
}

func TestMedia_Dispositions(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	path := "/v1/Recordings/" + s.uploadAudio(t, room, "alice").text("sid") + "/Media"
	for _, disposition := range []string{"inline", "attachment", `inline; filename="MyFile.mka"`, `attachment; filename*=UTF-8''%e2%82%ac.mka`} {
		link := s.account.want(t, 302, "GET", path, "ContentDisposition", disposition).text("redirect_to")
		kind, _, _ := strings.Cut(disposition, ";")
		if got := (caller{service: s}).want(t, 200, "GET", link).Header.Get("Content-Disposition"); !strings.HasPrefix(got, kind) {
			t.Errorf("%q is served as %q", disposition, got)
		}
	}
	raw := s.account.request(t, "GET", path, "ContentDisposition=inline;filename=MyFile.mka") // a semicolon as it is
	if a := s.account.do(t, raw); a.Status != 302 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestMedia_LinksExpireAndCannotBeAltered(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	sid := s.uploadAudio(t, room, "alice").text("sid")
	link := s.account.want(t, 302, "GET", "/v1/Recordings/"+sid+"/Media").text("redirect_to")
	anonymous := caller{service: s}
	for i := len(s.URL + mediaPath); i < len(link)-1; i += 7 {
		altered := []byte(link)
		altered[i] = map[bool]byte{true: 'B', false: 'A'}[altered[i] == 'A']
		if a := anonymous.do(t, anonymous.request(t, "GET", string(altered), "")); a.Status != 403 || a.JSON["code"] != 20403.0 {
			t.Fatalf("altered at %d: %d %s", i, a.Status, a.Body)
		}
	}
	expired := s.api.media.sign([]byte(`{"a":"` + s.account.user + `","s":"` + sid + `","d":"inline","e":` + "1000000000" + `}`))
	if a := anonymous.want(t, 403, "GET", mediaPath+expired); !strings.Contains(a.text("message"), "expired") {
		t.Errorf("%s", a.Body)
	}
	s.account.want(t, 204, "DELETE", "/v1/Recordings/"+sid)
	anonymous.want(t, 404, "GET", link)
	s.account.want(t, 404, "GET", "/v1/Recordings/"+sid+"/Media")
}

// TestUpload_TakesTheFileAnywhere also shows that what is said after the file counts.
func TestUpload_TakesTheFileAnywhere(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	path := "/roomreel/v1/Rooms/" + room + "/Recordings"
	for i, fields := range [][]string{
		{"ParticipantIdentity", "a", "TrackName", "mic", "Type", "audio", "OffsetMillis", "1500", "@Media", "testdata/audio.mka"},
		{"@Media", "testdata/audio.mka", "ParticipantIdentity", "b", "TrackName", "mic", "Type", "audio", "OffsetMillis", "1500"},
		{"ParticipantIdentity", "c", "@Media", "testdata/audio.mka", "TrackName", "mic", "OffsetMillis", "1500", "NoSuchParameter", "x"},
	} {
		a := s.account.upload(t, path, fields...)
		if a.Status != 201 || a.text("track_name") != "mic" || a.JSON["offset"] != 1500.0 || a.text("codec") != "opus" || a.JSON["duration"] != 2.0 || a.text("container_format") != "mka" {
			t.Errorf("order %d: %d %s", i, a.Status, a.Body)
		}
	}
}

func TestUpload_Refuses(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	completed := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	s.account.want(t, 202, "POST", "/v1/Rooms/"+completed, "Status", "completed")
	for _, test := range []struct {
		name, room string
		fields     []string
		status     int
		param      string
	}{
		{"no_file", room, []string{"ParticipantIdentity", "a"}, 400, "Media"},
		{"no_identity", room, []string{"@Media", "testdata/audio.mka"}, 400, "ParticipantIdentity"},
		{"long_name", room, []string{"ParticipantIdentity", strings.Repeat("x", 129), "@Media", "testdata/audio.mka"}, 400, "ParticipantIdentity"},
		{"long_track", room, []string{"ParticipantIdentity", "a", "TrackName", strings.Repeat("x", 129), "@Media", "testdata/audio.mka"}, 400, "TrackName"},
		{"data", room, []string{"ParticipantIdentity", "a", "Type", "data", "@Media", "testdata/audio.mka"}, 400, "Type"},
		{"not_video", room, []string{"ParticipantIdentity", "a", "Type", "video", "@Media", "testdata/audio.mka"}, 400, "Media"},
		{"negative", room, []string{"ParticipantIdentity", "a", "OffsetMillis", "-1", "@Media", "testdata/audio.mka"}, 400, "OffsetMillis"},
		{"track_zero", room, []string{"ParticipantIdentity", "a", "Track", "0", "@Media", "testdata/audio.mka"}, 400, "Track"},
		{"no_such_track", room, []string{"ParticipantIdentity", "a", "Track", "2", "@Media", "testdata/audio.mka"}, 400, "Track"},
		{"duration", room, []string{"ParticipantIdentity", "a", "DurationMillis", "-1", "@Media", "testdata/audio.mka"}, 400, "DurationMillis"},
		{"not_a_number", room, []string{"ParticipantIdentity", "a", "OffsetMillis", "1.5", "@Media", "testdata/audio.mka"}, 400, "OffsetMillis"},
		{"text", room, []string{"ParticipantIdentity", "a", "@Media", "upload.go"}, 400, "Media"},
		{"empty", room, []string{"ParticipantIdentity", "a", "@Media", os.DevNull}, 400, "Media"},
		{"twice", room, []string{"ParticipantIdentity", "a", "@Media", "testdata/audio.mka", "@Media", "testdata/video.mkv"}, 400, "Media"},
		{"over", completed, []string{"ParticipantIdentity", "a", "@Media", "testdata/audio.mka"}, 400, ""},
		{"nowhere", "RM00000000000000000000000000000000", []string{"ParticipantIdentity", "a", "@Media", "testdata/audio.mka"}, 404, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := s.account.upload(t, "/roomreel/v1/Rooms/"+test.room+"/Recordings", test.fields...)
			if a.Status != test.status || test.param != "" && !strings.HasPrefix(a.text("message"), test.param+": ") {
				t.Errorf("%d %s, want %d naming %q", a.Status, a.Body, test.status, test.param)
			}
		})
	}
	if rows := s.account.want(t, 200, "GET", "/v1/Recordings").rows("recordings"); len(rows) != 0 {
		t.Errorf("what was refused is there: %v", rows)
	}
}

// TestUpload_IsAnsweredBeforeTheFileIsSent sends what stands before the file, and then waits for the answer. That the
// connection ends tells the client not to send the rest.
func TestUpload_IsAnsweredBeforeTheFileIsSent(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	completed := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	s.account.want(t, 202, "POST", "/v1/Rooms/"+completed, "Status", "completed")
	for name, test := range map[string]struct {
		room, param, value string
		length             int
		status             int
		message            string
	}{
		"offset":    {room, "OffsetMillis", "-1", 1 << 30, 400, "OffsetMillis: "},
		"identity":  {room, "ParticipantIdentity", strings.Repeat("x", 129), 1 << 30, 400, "ParticipantIdentity: "},
		"type":      {room, "Type", "data", 1 << 30, 400, "Type: "},
		"track":     {room, "TrackName", strings.Repeat("x", 129), 1 << 30, 400, "TrackName: "},
		"completed": {completed, "ParticipantIdentity", "alice", 1 << 30, 400, "the room is completed"},
		"no_room":   {"RM00000000000000000000000000000000", "ParticipantIdentity", "alice", 1 << 30, 404, "The requested resource"},
		"too_large": {room, "ParticipantIdentity", "alice", 1 << 30, 413, "Media: "},
		"small":     {room, "Type", "data", 10_000, 400, "Type: "},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			r := s.account.request(t, "POST", "/roomreel/v1/Rooms/"+test.room+"/Recordings", "")
			r.SetBasicAuth(s.account.user, s.account.password)
			fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"+
				"--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n--b\r\nContent-Disposition: form-data; name=\"Media\"; filename=\"f\"\r\n\r\n",
				r.URL.Path, r.Header.Get("Authorization"), test.length, test.param, test.value)
			connection.SetDeadline(time.Now().Add(20 * time.Second))
			answer, err := http.ReadResponse(bufio.NewReader(connection), r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != test.status || !strings.Contains(string(body), `"message":"`+test.message) {
				t.Errorf("%d %s, %v; want %d and %s", answer.StatusCode, body, err, test.status, test.message)
			}
			if !answer.Close {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestUpload_ABodyThatEndsEarlyLeavesNothing(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	file, err := os.ReadFile("testdata/audio.mka")
	if err != nil {
		t.Fatal(err)
	}
	head := "--b\r\nContent-Disposition: form-data; name=\"ParticipantIdentity\"\r\n\r\nalice\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"Media\"; filename=\"f\"\r\n\r\n"
	r, err := http.NewRequest(http.MethodPost, s.URL+"/roomreel/v1/Rooms/"+room+"/Recordings", io.MultiReader(strings.NewReader(head), bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	if a := s.account.do(t, r); a.Status != 400 || !strings.HasPrefix(a.text("message"), "Media: ") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if rows := s.account.want(t, 200, "GET", "/v1/Recordings").rows("recordings"); len(rows) != 0 {
		t.Errorf("half a file is there: %v", rows)
	}
}

func TestLayoutPreview(t *testing.T) {
	s := boot(t, Config{})
	tracks := `[{"track_name":"a","start_millis":1000,"end_millis":3000},{"track_name":"b","start_millis":2000,"end_millis":4000},{"track_name":"mic","type":"audio","end_millis":6000}]`
	a := s.account.want(t, 200, "POST", "/roomreel/v1/Layouts", "Tracks", tracks, "VideoLayout", `{"grid":{"video_sources":["*"]}}`, "AudioSources", "*")
	if a.JSON["duration_millis"] != 6000.0 || a.text("resolution") != "640x480" || a.text("video_layout.grid.reuse") != "show_oldest" {
		t.Errorf("%s", a.Body)
	}
	rows := a.rows("placements")
	if len(rows) != 2 || rows[0]["track_name"] != "a" || rows[0]["from_millis"] != 1000.0 || rows[0]["width"] != 320.0 || rows[1]["x"] != 320.0 {
		t.Errorf("%s", a.Body)
	}
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	s.account.upload(t, "/roomreel/v1/Rooms/"+room+"/Recordings", "ParticipantIdentity", "a", "@Media", "testdata/video.mkv")
	a = s.account.want(t, 200, "POST", "/roomreel/v1/Layouts", "RoomSid", room, "VideoLayout", `{"grid":{"video_sources":["*"]}}`)
	if rows := a.rows("placements"); len(rows) != 1 || rows[0]["width"] != 640.0 || rows[0]["recording_sid"] == nil {
		t.Errorf("%s", a.Body)
	}
}

// hmacKeys signs as the app does, with a key of the test.
type hmacKeys string

func (k hmacKeys) Sign(purpose string, data []byte) []byte {
	mac := hmac.New(sha256.New, []byte(string(k)+purpose))
	mac.Write(data)
	return mac.Sum(nil)
}

func (k hmacKeys) Verify(purpose string, data, mac []byte) bool {
	return hmac.Equal(k.Sign(purpose, data), mac)
}

func TestSigner_OpensOnlyWhatItMadeForThePurposeAndContext(t *testing.T) {
	s := signer{keys: hmacKeys("key"), purpose: "page token"}
	token := s.sign([]byte("payload"), "account", "list")
	if got, err := s.open(token, "account", "list"); err != nil || string(got) != "payload" {
		t.Fatalf("got %q, %v", got, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"other_key":     func() ([]byte, error) { return signer{hmacKeys("k"), "page token"}.open(token, "account", "list") },
		"other_purpose": func() ([]byte, error) { return signer{hmacKeys("key"), "media link"}.open(token, "account", "list") },
		"other_account": func() ([]byte, error) { return s.open(token, "accounts", "list") },
		"moved_border":  func() ([]byte, error) { return s.open(token, "accountl", "ist") },
		"no_context":    func() ([]byte, error) { return s.open(token) },
		"empty":         func() ([]byte, error) { return s.open("", "account", "list") },
		"no_mac": func() ([]byte, error) {
			return s.open(base64.RawURLEncoding.EncodeToString([]byte{0, 'x'}), "account", "list")
		},
		"cut": func() ([]byte, error) { return s.open(token[:20], "account", "list") },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := open(); err == nil {
				t.Errorf("opened: %q", got)
			}
		})
	}
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for i := range raw {
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1
		if _, err := s.open(base64.RawURLEncoding.EncodeToString(damaged), "account", "list"); err == nil {
			t.Errorf("byte %d of the token may be changed", i)
		}
	}
}

// FuzzSigner holds tokens to: a round trip gives the payload back, and nothing that was not signed opens.
func FuzzSigner(f *testing.F) {
	f.Add("", []byte(nil), "")
	f.Add("AQ", []byte(`{"p":1}`), "AC")
	f.Fuzz(func(t *testing.T, stray string, payload []byte, context string) {
		s := signer{keys: hmacKeys("key"), purpose: "page token"}
		token := s.sign(payload, context)
		if got, err := s.open(token, context); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("round trip of %q gave %q, %v", payload, got, err)
		}
		if stray != token {
			if got, err := s.open(stray, context); err == nil {
				t.Fatalf("%q opened as %q", stray, got)
			}
		}
	})
}
