package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
)

func TestEvents_OneAfterTheOther(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		room := f.room(t, "r")
		_, err := f.CompleteRoom(ctx, f.account, room.SID)
		check(t, err)
		attempt := func(id string, n int, next store.EventStatus) roomreel.EventType {
			p, found, err := f.PendingEvent(ctx, string(room.SID))
			if check(t, err); !found {
				return ""
			}
			wantEqual(t, "attempts before "+id, p.Attempts, n-1)
			check(t, f.RecordDelivery(ctx, f.account, store.Delivery{
				ID: id, EventID: p.Event.ID, Resource: string(room.SID),
				Sequence: p.Event.Sequence, Type: p.Event.Type, Attempt: n, Started: f.Now(), Status: 500,
			}, next))
			return p.Event.Type
		}
		wantEqual(t, "first", attempt("a", 1, store.EventPending), roomreel.RoomCreatedEvent)
		wantEqual(t, "first again", attempt("b", 2, store.EventFailed), roomreel.RoomCreatedEvent)
		before := f.queue.count(store.JobCallback, string(room.SID))
		wantEqual(t, "second", attempt("c", 1, store.EventDelivered), roomreel.RoomEndedEvent)
		wantEqual(t, "nothing left", attempt("d", 1, store.EventDelivered), "")
		wantEqual(t, "callback jobs when nothing is left", f.queue.count(store.JobCallback, string(room.SID)), before)

		log, err := f.Deliveries(ctx, f.account, string(room.SID), store.Page{Size: 10})
		check(t, err)
		wantEqual(t, "attempts in the log", len(log.Items), 3)
		for _, d := range log.Items {
			if d.ID == "a" {
				check(t, f.Redeliver(ctx, f.account, d.EventID))
			}
		}
		wantEqual(t, "redelivered", attempt("e", 1, store.EventDelivered), roomreel.RoomCreatedEvent)
	})
}

func TestEvents_SayWhatTwilioSays(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		u := f.upload(f.room(t, "standup"), "alice", "camera")
		u.Recording.Size, u.Recording.Duration, u.Recording.Offset = 105956, 400*time.Millisecond, 1500*time.Millisecond
		r, _, err := f.add(t, u)
		check(t, err)
		started, _, err := f.PendingEvent(t.Context(), string(r.SID))
		check(t, err)
		check(t, f.RecordDelivery(t.Context(), f.account, store.Delivery{ID: "1", EventID: started.Event.ID, Resource: string(r.SID)}, store.EventDelivered))
		p, _, err := f.PendingEvent(t.Context(), string(r.SID))
		check(t, err)
		want := map[string]string{
			"AccountSid": string(f.account), "RoomSid": string(r.RoomSID), "RoomName": "standup", "RoomType": "group",
			"RecordingSid": string(r.SID), "RecordingUri": "/v1/Recordings/" + string(r.SID),
			"MediaUri": "/v1/Recordings/" + string(r.SID) + "/Media", "ParticipantSid": string(r.ParticipantSID),
			"ParticipantIdentity": "alice", "SourceSid": string(r.TrackSID), "TrackName": "camera", "Container": "mkv",
			"Codec": "vp8", "Type": "video", "OffsetFromTwilioVideoEpoch": "1500", "Duration": "1", "Size": "105956",
			"StatusCallbackEvent": "recording-completed", "Timestamp": p.Event.Created.Format("2006-01-02T15:04:05.000Z"),
		}
		if diff := cmp.Diff(want, p.Event.Params); diff != "" {
			t.Error(diff)
		}
		wantEqual(t, "callback", p.Event.Callback, told)
	})
}

func TestReseal_ReachesEverySecret(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for range 120 {
			f.newAccount(t)
		}
		c, err := f.CreateCredential(ctx, roomreel.Credential{
			SID: roomreel.NewSID[roomreel.CredentialSID](), AccountSID: f.account,
			Kind: roomreel.PublicKey, Secret: []byte("sealed"),
		})
		check(t, err)
		changed, err := f.Reseal(ctx, func(sid string, secret []byte) ([]byte, error) { return []byte("new " + sid), nil })
		check(t, err)
		wantEqual(t, "secrets", changed, 122)
		read, err := f.Credential(ctx, f.account, roomreel.PublicKey, c.SID)
		check(t, err)
		wantEqual(t, "secret", string(read.Secret), "new "+string(c.SID))
	})
}
