package api

import (
	"context"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/store"
)

func TestFailedCompositions_AreDeletedByOurPathAlone(t *testing.T) {
	s := boot(t, Config{})
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	sid := s.account.want(t, 201, "POST", "/v1/Compositions", "RoomSid", room, "AudioSources", "none").text("sid")
	_, err := s.store.FailComposition(context.Background(), roomreel.CompositionSID(sid),
		roomreel.Failure{Code: 53630, Operation: "Compose", Message: "no recording matches"})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.account.want(t, 200, "GET", "/v1/Compositions/"+sid); a.text("status") != "failed" || a.JSON["date_completed"] != nil {
		t.Errorf("%s", a.Body)
	}
	if a := s.account.want(t, 409, "DELETE", "/v1/Compositions/"+sid); a.JSON["code"] != 20409.0 {
		t.Errorf("%s", a.Body)
	}
	s.account.want(t, 200, "GET", "/roomreel/v1/Compositions/"+sid+"/Report")
	s.other.want(t, 404, "DELETE", "/roomreel/v1/Compositions/"+sid)
	s.account.want(t, 204, "DELETE", "/roomreel/v1/Compositions/"+sid)
	if rows := s.account.want(t, 200, "GET", "/v1/Compositions", "Status", "deleted").rows("compositions"); len(rows) != 1 {
		t.Errorf("%d deleted compositions", len(rows))
	}
}

// TestDeliveries_AreListedAndRepeated writes down attempts as the worker that makes them would.
func TestDeliveries_AreListedAndRepeated(t *testing.T) {
	s := boot(t, Config{})
	ctx, account := context.Background(), roomreel.AccountSID(s.account.user)
	room := s.account.want(t, 201, "POST", "/v1/Rooms", "StatusCallback", "https://app.example.com/").text("sid")
	pending, found, err := s.store.PendingEvent(ctx, room)
	if err != nil || !found {
		t.Fatalf("no event of the new room: %v", err)
	}
	event := pending.Event
	for attempt := 1; attempt <= 3; attempt++ {
		next := store.EventPending
		if attempt == 3 {
			next = store.EventFailed
		}
		err := s.store.RecordDelivery(ctx, account, app.Delivery{
			ID: "D" + string(rune('0'+attempt)), EventID: event.ID, Resource: room, Sequence: event.Sequence,
			Type: event.Type, URL: event.Callback.URL, Method: event.Callback.Method, Attempt: attempt, Started: time.Unix(1e9+int64(attempt), 0),
			Duration: time.Second, Status: 500, Error: "the receiver answered 500",
		}, next)
		if err != nil {
			t.Fatal(err)
		}
	}
	path := "/roomreel/v1/Rooms/" + room + "/Deliveries"
	first := s.account.want(t, 200, "GET", path, "PageSize", "2")
	rows := first.rows("deliveries")
	if len(rows) != 2 || rows[0]["attempt"] != 3.0 || rows[0]["status"] != 500.0 || rows[0]["event"] != "room-created" || rows[0]["sequence_number"] != 0.0 {
		t.Errorf("%s", first.Body)
	}
	if rest := s.account.want(t, 200, "GET", first.text("meta.next_page_url")).rows("deliveries"); len(rest) != 1 || rest[0]["attempt"] != 1.0 {
		t.Errorf("the next page: %v", rest)
	}
	s.other.want(t, 404, "GET", path)
	s.other.want(t, 404, "POST", path+"/"+event.ID+"/Redeliver")
	s.account.want(t, 404, "POST", path+"/none/Redeliver")
	if again := s.account.want(t, 202, "POST", path+"/"+event.ID+"/Redeliver"); again.text("event_id") != event.ID {
		t.Errorf("%s", again.Body)
	}
	if pending, found, err = s.store.PendingEvent(ctx, room); err != nil || !found || pending.Event.ID != event.ID {
		t.Errorf("after asking again: %v %v %v", pending, found, err)
	}
	for _, path := range []string{"/roomreel/v1/Rooms/x", "/roomreel/v1/Recordings/" + room, "/roomreel/v1/Compositions/" + testComposition, "/roomreel/v1/CompositionHooks/" + testHook} {
		s.account.want(t, 404, "GET", path+"/Deliveries")
	}
}

func TestAuditLog_SaysWhoDidWhat(t *testing.T) {
	s := boot(t, Config{})
	s.account.want(t, 200, "POST", "/v1/CompositionSettings/Default", "FriendlyName", "plain")
	room := s.account.want(t, 201, "POST", "/v1/Rooms").text("sid")
	recording := s.uploadAudio(t, room, "alice").text("sid")
	s.account.want(t, 204, "DELETE", "/v1/Recordings/"+recording)
	s.account.want(t, 204, "DELETE", "/v1/Recordings/"+recording)

	first := s.account.want(t, 200, "GET", "/roomreel/v1/AuditLog", "PageSize", "1")
	rows := first.rows("entries")
	if len(rows) != 1 || rows[0]["verb"] != "delete" || rows[0]["subject"] != recording || rows[0]["actor"] != s.account.user {
		t.Errorf("the newest entry: %v", rows)
	}
	rows = s.account.want(t, 200, "GET", first.text("meta.next_page_url")).rows("entries")
	if len(rows) != 1 || rows[0]["verb"] != "update" || rows[0]["subject"] != "composition settings" {
		t.Fatalf("the one before: %v", rows)
	}
	if detail, _ := rows[0]["detail"].(map[string]any); detail["friendly_name"] != "plain" || detail["aws_storage_enabled"] != "false" {
		t.Errorf("its detail: %v", rows[0])
	}
	if rows := s.other.want(t, 200, "GET", "/roomreel/v1/AuditLog").rows("entries"); len(rows) != 0 {
		t.Errorf("another account reads %v", rows)
	}
}
