package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
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
		wantEqual(t, "callback", p.Event.Callback, statusCallback)
	})
}

// TestEventLease_IgnoresTheClocksOfNodes has a second node whose clock is ten minutes ahead, and one that is behind.
func TestEventLease_IgnoresTheClocksOfNodes(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			shared := config(t)
			open := func(skew time.Duration) *store.Store {
				own := shared
				own.Now = func() time.Time { return time.Now().Add(skew) }
				return storetest.Open(t, own)
			}
			f := newFixture(t, open(0))
			room := string(f.room(t, "r").SID)
			acquire := func(s *store.Store, node string, duration time.Duration, want bool) {
				t.Helper()
				got, err := s.AcquireEventLease(t.Context(), room, node, duration)
				check(t, err)
				wantEqual(t, "lease of "+node, got, want)
			}
			ahead, behind := open(10*time.Minute), open(-10*time.Minute)
			acquire(f.Store, "one", time.Minute, true)
			acquire(ahead, "ahead", time.Minute, false)
			check(t, f.ReleaseEventLease(t.Context(), room, "one"))
			acquire(ahead, "ahead", -time.Second, true) // expired
			acquire(behind, "behind", time.Minute, true)
			acquire(behind, "behind", time.Minute, true) // prolonged
			acquire(f.Store, "one", time.Minute, false)
			check(t, f.RemoveNode(t.Context(), "behind"))
			acquire(f.Store, "one", time.Minute, true)
		})
	}
}

func TestEvents_EndWithTheirResource(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		r := f.recording(t, f.room(t, "r"), "alice", "camera")
		pending, found, err := f.PendingEvent(ctx, string(r.SID))
		if check(t, err); !found {
			t.Fatal("the recording has no event")
		}
		check(t, f.DeleteRecording(ctx, f.account, r.SID))
		check(t, f.Expire(ctx, f.Now().Add(31*24*time.Hour)))
		_, err = f.AcquireEventLease(ctx, string(r.SID), "one", time.Minute)
		wantCode(t, err, roomreel.NotFound)
		wantCode(t, f.RecordDelivery(ctx, f.account, store.Delivery{
			ID: "late", EventID: pending.Event.ID, Resource: string(r.SID), Started: f.Now(),
		}, store.EventDelivered), roomreel.NotFound)
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
