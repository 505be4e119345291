package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"roomreel"

	"github.com/google/go-cmp/cmp"
)

func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(server.URL, "AC1", "token")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestUpload_SendsFieldsThenTheFile(t *testing.T) {
	var got []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "AC1" || password != "token" {
			t.Errorf("signed in as %q with %q", user, password)
		}
		if r.ContentLength <= 0 {
			t.Error("the upload does not say how long it is")
		}
		parts, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		for {
			part, err := parts.NextPart()
			if err != nil {
				break
			}
			text, _ := io.ReadAll(part)
			got = append(got, part.FormName()+"="+string(text))
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"sid": "RT1"}`)
	})
	var sent int64
	recording, err := c.UploadRecording(context.Background(), "RM1", Upload{
		Identity: "alice", Kind: roomreel.Video, Track: 2, Offset: 1500 * time.Millisecond, Known: 2 * time.Second, File: "a.mkv", Size: 4,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("film")), nil },
		Sent: func(n int64) { sent = n },
	})
	if err != nil || recording.SID != "RT1" {
		t.Fatalf("recording %+v, error %v", recording, err)
	}
	want := []string{"ParticipantIdentity=alice", "Type=video", "Track=2", "OffsetMillis=1500", "DurationMillis=2000", "Media=film"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if sent != 4 {
		t.Errorf("told of %d bytes, want 4", sent)
	}
}

func TestUpload_IsRefusedBeforeTheFileIsSent(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code": 20003, "message": "Authenticate", "status": 401}`)
	})
	var sent int64
	_, err := c.UploadRecording(context.Background(), "RM1", Upload{
		Identity: "alice", Kind: roomreel.Video, File: "a.mkv", Size: 1 << 30,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil },
		Sent: func(n int64) { sent = n },
	})
	if roomreel.CodeOf(err) != roomreel.Unauthenticated || !strings.Contains(err.Error(), "Authenticate") {
		t.Errorf("error %v, want the server's 401", err)
	}
	if sent > 1<<20 {
		t.Errorf("%d bytes were sent in vain", sent)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestUpload_SendsTheFileAgainWhenTheServerWasTooBusy(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		_, media, err := r.FormFile("Media")
		if err != nil || media.Size != 4 {
			t.Errorf("call %d: media %+v, error %v", calls, media, err)
		}
		if calls == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		io.WriteString(w, `{"sid": "RT1"}`)
	})
	_, err := c.UploadRecording(context.Background(), "RM1", Upload{
		Identity: "alice", Kind: roomreel.Audio, File: "a.mka", Size: 4,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("film")), nil },
	})
	if err != nil || calls != 2 {
		t.Errorf("%d calls, error %v; want success at the second", calls, err)
	}
}

func TestRecordings_ReadsAllPagesFromTheAddressItWasGiven(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		next := `"https://video.example.com/v1/Rooms/RM1/Recordings?Page=1"`
		if r.FormValue("Page") == "1" {
			next = "null"
		}
		fmt.Fprintf(w, `{"recordings": [{"sid": "RT%s"}], "meta": {"next_page_url": %s}}`, r.FormValue("Page"), next)
	})
	list, err := c.Recordings(context.Background(), "RM1")
	if err != nil || len(list) != 2 || list[1].SID != "RT1" {
		t.Errorf("recordings %+v, error %v", list, err)
	}
}

func TestRefusals_HaveCodes(t *testing.T) {
	for status, want := range map[int]roomreel.Code{
		400: roomreel.Invalid, 401: roomreel.Unauthenticated, 403: roomreel.Forbidden, 404: roomreel.NotFound,
		409: roomreel.Conflict, 413: roomreel.TooLarge, 500: "",
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not JSON", status) })
		_, err := c.Room(context.Background(), "standup")
		var refusal *roomreel.Error
		if !errors.As(err, &refusal) || refusal.Code != want || !strings.Contains(refusal.Detail, fmt.Sprint(status)) {
			t.Errorf("status %d gives %v, want code %q", status, err, want)
		}
	}
}

func TestMedia_FollowsTheRedirectWithoutThePassword(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _, signedIn := r.BasicAuth()
		switch r.URL.Path {
		case "/v1/Compositions/CJ1/Media":
			w.Header().Set("Location", "http://"+r.Host+"/signed")
			w.WriteHeader(http.StatusFound)
			json.NewEncoder(w).Encode(map[string]string{"redirect_to": "http://" + r.Host + "/signed"})
		case "/signed":
			if signedIn {
				t.Error("the signed URL was sent the password")
			}
			io.WriteString(w, "film")
		}
	})
	media, err := c.Media(context.Background(), "CJ1")
	if err != nil {
		t.Fatal(err)
	}
	defer media.Close()
	if text, _ := io.ReadAll(media); string(text) != "film" {
		t.Errorf("media %q", text)
	}
}

func TestNew_RefusesWhatIsNoServer(t *testing.T) {
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "http://x/path"} {
		if _, err := New(base, "AC1", "x"); roomreel.CodeOf(err) != roomreel.Invalid {
			t.Errorf("%q: error %v, want invalid", base, err)
		}
	}
}
