package e2e

import (
	"testing"
	"time"

	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/internal/store/storetest"
)

// TestService_SurvivesTheDeathOfOneOfItsNodes: an API and two workers on one database. A hook makes the composition, the
// worker that renders it is killed, and the other one brings it to its end.
func TestService_SurvivesTheDeathOfOneOfItsNodes(t *testing.T) {
	manifest := makeMeeting(t)
	told := newCallbacks(t)
	data, database := t.TempDir(), storetest.PostgreSQL(t).URL
	node := func(role string) *service {
		return serve(t, data, "--database", database, "--role", role, "--set", "compose.chunk=1s", "--set", "compose.encoder=archive",
			"--set", "render.parallel=1", "--set", fromLoopback)
	}
	front := node("api")
	api := front.twilio(t)
	params := everyone(t, "", "mp4", told)
	hook, err := api.VideoV1.CreateCompositionHook((&video.CreateCompositionHookParams{}).SetFriendlyName("all").
		SetAudioSources(*params.AudioSources).SetVideoLayout(*params.VideoLayout).SetFormat("mp4").SetResolution("1280x720").
		SetStatusCallback(told.url))
	must(t, hook, err)
	worker := node("worker")
	room, _, _ := front.importRoom(t, manifest, "--complete")
	var sid string
	front.until(t, "composition of the hook", func() bool {
		list, err := api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(room))
		if len(must(t, list, err)) == 1 {
			sid = *list[0].Sid
		}
		return sid != ""
	})
	front.until(t, "progress", func() bool { _, last := told.of(sid); return last["PercentageDone"] != "" })
	other := node("worker")
	worker.command.Process.Kill()
	worker.command.Wait()
	killed := time.Now()
	film := front.film(t, api, sid)
	if took := time.Since(killed); took > time.Minute {
		t.Errorf("the other worker took %v", took)
	}
	checkTimes(t, film)
	checkWho(t, film)
	checkTogether(t, film)
	front.until(t, "last callback", func() bool { _, last := told.of(sid); return last["StatusCallbackEvent"] == "composition-available" })
	other.stop(t)
	events, _ := told.of(sid)
	if events[0] != "composition-enqueued" || events[1] != "composition-started" || events[len(events)-1] != "composition-available" {
		t.Errorf("told %v", events)
	}
	list, err := api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(room))
	if must(t, list, err); len(list) != 1 {
		t.Errorf("the hook made %d compositions", len(list))
	}
}
