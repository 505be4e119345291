package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/twilio"
)

// Room, Participant, Recording and Composition hold the fields of the API's answers that callers need.
type (
	Room struct {
		SID        roomreel.RoomSID    `json:"sid"`
		UniqueName string              `json:"unique_name"`
		Status     roomreel.RoomStatus `json:"status"`
	}
	Participant struct {
		SID      roomreel.ParticipantSID `json:"sid"`
		Identity string                  `json:"identity"`
	}
	Recording struct {
		SID       roomreel.RecordingSID    `json:"sid"`
		Status    roomreel.RecordingStatus `json:"status"`
		Kind      roomreel.TrackKind       `json:"type"`
		TrackName string                   `json:"track_name"`
		Size      int64                    `json:"size"`
		Grouping  struct {
			Participant roomreel.ParticipantSID `json:"participant_sid"`
		} `json:"grouping_sids"`
	}
	Composition struct {
		SID      roomreel.CompositionSID    `json:"sid"`
		Status   roomreel.CompositionStatus `json:"status"`
		Format   roomreel.Format            `json:"format"`
		Bitrate  int                        `json:"bitrate"`  // kbit/s
		Size     int64                      `json:"size"`     // bytes
		Duration int                        `json:"duration"` // seconds
	}
)

// CreateRoom opens a room. uniqueName may be "".
func (c *Client) CreateRoom(ctx context.Context, uniqueName string) (Room, error) {
	values := url.Values{}
	if uniqueName != "" {
		values.Set("UniqueName", uniqueName)
	}
	var room Room
	return room, c.post(ctx, twilio.RoomsURI, values, &room)
}

// Room fetches a room by its SID, or by its unique name while it is in progress.
func (c *Client) Room(ctx context.Context, sidOrName string) (Room, error) {
	var room Room
	return room, c.get(ctx, twilio.RoomURI(sidOrName), &room)
}

// CompletedRooms lists the latest completed rooms that had a unique name, at most 20, the newest first.
func (c *Client) CompletedRooms(ctx context.Context, uniqueName string) ([]Room, error) {
	var page struct {
		Rooms []Room `json:"rooms"`
	}
	query := url.Values{"UniqueName": {uniqueName}, "Status": {string(roomreel.RoomCompleted)}, "PageSize": {"20"}}
	err := c.get(ctx, twilio.RoomsURI+"?"+query.Encode(), &page)
	return page.Rooms, err
}

// CompleteRoom ends a room: its compositions start, and nothing can be added any more.
func (c *Client) CompleteRoom(ctx context.Context, room roomreel.RoomSID) (Room, error) {
	var after Room
	return after, c.post(ctx, twilio.RoomURI(room), url.Values{"Status": {"completed"}}, &after)
}

// Recordings lists all recordings of a room that are not deleted.
func (c *Client) Recordings(ctx context.Context, room roomreel.RoomSID) ([]Recording, error) {
	return all[Recording](ctx, c, twilio.RoomURI(room)+"/Recordings?PageSize=1000", "recordings")
}

// Participants lists everyone who has a recording in a room.
func (c *Client) Participants(ctx context.Context, room roomreel.RoomSID) ([]Participant, error) {
	return all[Participant](ctx, c, twilio.RoomURI(room)+"/Participants?PageSize=100", "participants")
}

// all reads a list, page by page.
func all[T any](ctx context.Context, c *Client, path, key string) ([]T, error) {
	var items []T
	for path != "" {
		var page map[string]json.RawMessage
		if err := c.get(ctx, path, &page); err != nil {
			return nil, err
		}
		var some []T
		if err := json.Unmarshal(page[key], &some); err != nil {
			return nil, fmt.Errorf("GET %s: %s: %w", path, key, err)
		}
		items = append(items, some...)
		var meta struct {
			Next string `json:"next_page_url"`
		}
		if err := json.Unmarshal(page["meta"], &meta); err != nil {
			return nil, fmt.Errorf("GET %s: meta: %w", path, err)
		}
		// The host in the answer is the one that the server knows. The client keeps the one that it was given.
		next, err := url.Parse(meta.Next)
		if err != nil {
			return nil, fmt.Errorf("GET %s: next page: %w", path, err)
		}
		path = next.RequestURI()
		if meta.Next == "" {
			path = ""
		}
	}
	return items, nil
}

// Upload is a recording to add to a room.
type Upload struct {
	Identity  string
	TrackName string // "" for none
	Kind      roomreel.TrackKind
	Track     int // number among the file's tracks of the kind, from 1; 0 for the first
	Offset    time.Duration
	Known     time.Duration                 // how long it lasted in the room, to the millisecond; 0 when that is not known
	File      string                        // the name that the server sees
	Open      func() (io.ReadCloser, error) // may be called again
	Size      int64                         // bytes that Open gives
	Sent      func(bytes int64)             // called with the bytes of the file that were read so far; may be nil
}

// UploadRecording adds a recording to a room. The file is streamed, not held in memory.
func (c *Client) UploadRecording(ctx context.Context, room roomreel.RoomSID, up Upload) (Recording, error) {
	var recording Recording
	head, tail, contentType, err := up.envelope()
	if err != nil {
		return recording, err
	}
	var file io.ReadCloser
	defer func() {
		if file != nil {
			file.Close()
		}
	}()
	body := func() (io.Reader, int64, error) {
		if file != nil {
			file.Close()
		}
		var err error
		if file, err = up.Open(); err != nil {
			return nil, 0, err
		}
		counted := &counter{r: io.LimitReader(file, up.Size), tell: up.Sent}
		return io.MultiReader(bytes.NewReader(head), counted, bytes.NewReader(tail)), int64(len(head)+len(tail)) + up.Size, nil
	}
	return recording, c.call(ctx, request{
		method: http.MethodPost, path: "/roomreel/v1/Rooms/" + string(room) + "/Recordings",
		contentType: contentType, body: body,
	}, &recording)
}

func numberOrNone(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// envelope returns the bytes before and after the file in the multipart body. The fields come first, so that the server checks
// them before it reads the file.
func (up Upload) envelope() (head, tail []byte, contentType string, err error) {
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for _, field := range []struct{ name, value string }{
		{"ParticipantIdentity", up.Identity},
		{"TrackName", up.TrackName},
		{"Type", string(up.Kind)},
		{"Track", numberOrNone(int64(up.Track))},
		{"OffsetMillis", strconv.FormatInt(up.Offset.Milliseconds(), 10)},
		{"DurationMillis", numberOrNone(up.Known.Milliseconds())},
	} {
		if field.value == "" {
			continue
		}
		if err := form.WriteField(field.name, field.value); err != nil {
			return nil, nil, "", err
		}
	}
	if _, err := form.CreateFormFile("Media", up.File); err != nil {
		return nil, nil, "", err
	}
	at := text.Len()
	if err := form.Close(); err != nil {
		return nil, nil, "", err
	}
	return text.Bytes()[:at], text.Bytes()[at:], form.FormDataContentType(), nil
}

type counter struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.tell != nil {
		c.tell(c.n)
	}
	return n, err
}

// CreateComposition asks for a film; parameters are those of Twilio's documentation.
func (c *Client) CreateComposition(ctx context.Context, parameters url.Values) (Composition, error) {
	var composition Composition
	return composition, c.post(ctx, twilio.CompositionsURI, parameters, &composition)
}

// Composition fetches a composition.
func (c *Client) Composition(ctx context.Context, sid roomreel.CompositionSID) (Composition, error) {
	var composition Composition
	return composition, c.get(ctx, twilio.CompositionURI(sid), &composition)
}

// Media downloads a finished film. The caller closes it.
func (c *Client) Media(ctx context.Context, sid roomreel.CompositionSID) (io.ReadCloser, error) {
	response, err := c.send(ctx, request{method: http.MethodGet, path: twilio.MediaURI(twilio.CompositionURI(sid))})
	if err != nil {
		return nil, err
	}
	location := response.Header.Get("Location")
	text, _ := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	response.Body.Close()
	if response.StatusCode != http.StatusFound || location == "" {
		return nil, refused(response, text)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	response, err = c.http.Do(q)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, answerLimit))
		response.Body.Close()
		return nil, refused(response, text)
	}
	return response.Body, nil
}

// Ready waits until the server says that it is ready.
func (c *Client) Ready(ctx context.Context) error {
	for {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := c.http.Do(q)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w", strings.TrimPrefix(c.base, "http://"), context.Cause(ctx))
		}
	}
}

// Failure says why a composition failed.
type Failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// CompositionReport fetches the report of a composition that has ended, as JSON: its fields report and failure may be null.
func (c *Client) CompositionReport(ctx context.Context, sid roomreel.CompositionSID) (json.RawMessage, error) {
	var answer json.RawMessage
	return answer, c.get(ctx, "/roomreel"+twilio.CompositionURI(sid)+"/Report", &answer)
}

// CompositionPreview fetches the frame that a film would show, as an image. Parameters are those of a composition, with Second and
// ImageFormat.
func (c *Client) CompositionPreview(ctx context.Context, parameters url.Values) ([]byte, error) {
	r := form(parameters)
	r.method, r.path = http.MethodPost, "/roomreel/v1/CompositionPreviews"
	return c.answer(ctx, r)
}
