package api

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"roomreel"
)

func TestReadForm_TakesTheSameFromBothEncodings(t *testing.T) {
	want := url.Values{"AudioSources": {"a b", "c&d", ""}, "VideoLayout": {`{"grid":{"video_sources":["*"]}}`}, "Trim": {"True"}}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, values := range want {
		for _, value := range values {
			if err := form.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	form.Close()
	for kind, text := range map[string]string{
		"application/x-www-form-urlencoded":                want.Encode(),
		"application/x-www-form-urlencoded; charset=UTF-8": want.Encode(),
		"":                         want.Encode(),
		form.FormDataContentType(): body.String(),
	} {
		got, err := readFormText(kind, text, 1000)
		if err != nil {
			t.Errorf("%q: %v", kind, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", kind, diff)
		}
	}
}

func TestReadForm_ReadsAFileAsItsText(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("PublicKey", "key.pem")
	fmt.Fprint(part, "-----BEGIN PUBLIC KEY-----")
	form.Close()
	got, err := readFormText(form.FormDataContentType(), body.String(), 1000)
	if err != nil || got.Get("PublicKey") != "-----BEGIN PUBLIC KEY-----" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReadForm_Refuses(t *testing.T) {
	for _, test := range []struct {
		name, kind, body string
		code             roomreel.Code
		param            string
	}{
		{"too_large", "application/x-www-form-urlencoded", "A=" + strings.Repeat("x", 100), roomreel.TooLarge, ""},
		{"too_large_multipart", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"A\"\r\n\r\n" + strings.Repeat("x", 100), roomreel.TooLarge, ""},
		{"json", "application/json", `{"RoomSid":"RM"}`, roomreel.Invalid, ""},
		{"bad_type", "application/", "A=1", roomreel.Invalid, ""},
		{"no_boundary", "multipart/form-data", "A=1", roomreel.Invalid, ""},
		{"truncated_multipart", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"A\"\r\n\r\nx", roomreel.Invalid, ""},
		{"percent", "", "A=%zz", roomreel.Invalid, "A"},
		{"percent_in_name", "", "%zz=1", roomreel.Invalid, ""},
		{"nul", "", "A=%00", roomreel.Invalid, "A"},
		{"latin1", "", "A=%e9", roomreel.Invalid, "A"},
		{"latin1_name", "", "%e9=1", roomreel.Invalid, ""},
		{"nul_multipart", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"A\"\r\n\r\n\x00\r\n--b--\r\n", roomreel.Invalid, "A"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readFormText(test.kind, test.body, 100)
			checkError(t, err, test.code, test.param)
		})
	}
}

func readFormText(kind, body string, limit int64) (url.Values, error) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return readForm(httptest.NewRecorder(), r, limit)
}

func checkError(t *testing.T, err error, code roomreel.Code, param string) {
	t.Helper()
	e, ok := err.(*roomreel.Error)
	if !ok || e.Code != code || e.Param != param {
		t.Errorf("error %v, want code %s of %q", err, code, param)
	}
	if ok && (e.Detail == "" || strings.Contains(e.Detail, "%!")) {
		t.Errorf("the detail %q does not help", e.Detail)
	}
}

func TestParams_Boolean(t *testing.T) {
	yes, no := true, false
	for text, want := range map[string]*bool{"": nil, "true": &yes, "True": &yes, "TRUE": &yes, "false": &no, "False": &no} {
		p := &params{values: url.Values{"Trim": {text}}}
		if got := p.boolean("Trim"); !cmp.Equal(got, want) || p.err != nil {
			t.Errorf("%q: %v, %v", text, got, p.err)
		}
	}
	for _, text := range []string{"1", "yes", "t", " true", "tru", "null"} {
		p := &params{values: url.Values{"Trim": {text}}}
		p.boolean("Trim")
		checkError(t, p.err, roomreel.Invalid, "Trim")
	}
}

func TestParams_Instant(t *testing.T) {
	want := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2026-01-31T23:00:00Z", "2026-01-31T23:00:00.000Z", "2026-02-01T00:00:00+01:00", "2026-02-01T00:00:00 01:00",
		"2026-02-01T00:00:00+0100", "2026-01-31T23:00Z", "2026-01-31T23:00:00", "2026-01-31T23:00:00.000", "2026-01-31T23:00",
	} {
		p := &params{values: url.Values{"DateCreatedAfter": {text}}}
		if got := p.instant("DateCreatedAfter"); !got.Equal(want) || p.err != nil {
			t.Errorf("%q: %v, %v", text, got, p.err)
		}
	}
	p := &params{values: url.Values{"DateCreatedAfter": {"2026-01-31"}}}
	if got := p.instant("DateCreatedAfter"); !got.Equal(want.Add(-23*time.Hour)) || p.err != nil {
		t.Errorf("a day alone: %v, %v", got, p.err)
	}
	for _, text := range []string{"yesterday", "2026-13-01T00:00:00Z", "2026-13-01T00:00:00", "2026-01-31T", "1769900000", "2026-01-31 23:00:00", "20260131T230000Z"} {
		p := &params{values: url.Values{"DateCreatedAfter": {text}}}
		p.instant("DateCreatedAfter")
		checkError(t, p.err, roomreel.Invalid, "DateCreatedAfter")
	}
}

// TestParams_NullIsAbsent: in every parameter that is JSON, as a whole and in its fields.
func TestParams_NullIsAbsent(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms", "RecordingRules", "null").text("sid")
	s.account.want(t, 200, "POST", "/v1/Rooms/"+room+"/RecordingRules", "Rules", `[{"type":"include","all":true,"kind":null,"publisher":null,"track":null}]`)
	s.account.want(t, 201, "POST", "/v1/Compositions", "RoomSid", room, "AudioSources", "*", "VideoLayout", " null ")
	s.account.want(t, 201, "POST", "/v1/CompositionHooks", "FriendlyName", "x", "AudioSources", "*", "VideoLayout", "null")
	layout := s.account.want(t, 201, "POST", "/v1/Compositions", "RoomSid", room, "VideoLayout", `{"a":null,"b":{"video_sources":["*"],"width":null}}`).JSON["video_layout"]
	if regions, _ := layout.(map[string]any); len(regions) != 1 || regions["b"] == nil {
		t.Errorf("layout %v, want region b alone", layout)
	}
	s.account.want(t, 200, "POST", "/roomreel/v1/Layouts", "RoomSid", room, "Tracks", "null", "VideoLayout", `{"a":{"video_sources":["*"]}}`)
	preview := s.account.want(t, 200, "POST", "/roomreel/v1/Layouts", "VideoLayout", `{"a":{"video_sources":["*"]}}`,
		"Tracks", `[{"track_name":"x","type":null,"recording_sid":null,"start_millis":0.0,"end_millis":1e3}]`)
	if preview.JSON["duration_millis"] != 1000.0 {
		t.Errorf("preview: %s", preview.Body)
	}
}

func TestParams_WholeNumbersAreThoseOfJSON(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms", "MaxParticipants", "4.0", "EmptyRoomTimeout", "1e1", "UnusedRoomTimeout", "7")
	if room.JSON["max_participants"] != 4.0 || room.JSON["empty_room_timeout"] != 10.0 {
		t.Errorf("room: %s", room.Body)
	}
	if size := s.account.want(t, 200, "GET", "/v1/Rooms", "PageSize", "20.0").JSON["meta"].(map[string]any)["page_size"]; size != 20.0 {
		t.Errorf("page size %v", size)
	}
	upload := func(offset, track string) answer {
		return s.account.upload(t, "/roomreel/v1/Rooms/"+room.text("sid")+"/Recordings", "ParticipantIdentity", "alice", "OffsetMillis", offset, "Track", track, "@Media", "testdata/audio.mka")
	}
	if a := upload("12.0", "1.0"); a.Status != 201 || a.JSON["offset"] != 12.0 {
		t.Errorf("upload at 12.0: %s", a.Body)
	}
	for _, wrong := range [][3]string{{"12.5", "", "OffsetMillis: "}, {"-1", "", "OffsetMillis: "}, {"", "0.5", "Track: "}} {
		if a := upload(wrong[0], wrong[1]); a.Status != 400 || !strings.HasPrefix(a.text("message"), wrong[2]) {
			t.Errorf("upload %v: %s", wrong, a.Body)
		}
	}
}

func TestParams_KeepTheFirstMistake(t *testing.T) {
	p := &params{values: url.Values{"A": {"x"}, "B": {"x"}}}
	p.integer("B")
	p.boolean("A")
	checkError(t, p.err, roomreel.Invalid, "B")
}

// FuzzParseQuery holds the form parser to: what it reads is storable text, and reads back the same.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "A=1&B=2", "A=1&A=2", "A", "=", "&&", "A=%7B%7D", "A=;b", "A=%", "A=%e9", "A=+%2B", "A==", "%41=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseQuery(text)
		if err != nil {
			if roomreel.CodeOf(err) != roomreel.Invalid {
				t.Fatalf("%q: %v is not the caller's mistake", text, err)
			}
			return
		}
		for name, list := range values {
			for _, value := range append(list, name) {
				if !utf8.ValidString(value) || strings.Contains(value, "\x00") {
					t.Fatalf("%q gave %q", text, value)
				}
			}
		}
		again, err := parseQuery(values.Encode())
		if err != nil || !cmp.Equal(values, again) {
			t.Fatalf("%q read as %q and then as %q, %v", text, values, again, err)
		}
	})
}

// FuzzReadMultipart holds the multipart reader to: every failure is the caller's mistake and has a sentence.
func FuzzReadMultipart(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=\"A\"\r\n\r\nx\r\n--b--\r\n")
	f.Add("--b\r\n\r\nx\r\n--b--\r\n")
	f.Add("--b--")
	f.Fuzz(func(t *testing.T, body string) {
		_, err := readFormText("multipart/form-data; boundary=b", body, 1<<16)
		if err != nil {
			if code := roomreel.CodeOf(err); code != roomreel.Invalid && code != roomreel.TooLarge {
				t.Fatalf("%q: %v", body, err)
			}
		}
	})
}
