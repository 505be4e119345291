package twilio_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/twilio"
)

func TestSeconds_RoundsAndIsAtLeastOne(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-time.Second: 0, 0: 0, time.Nanosecond: 1, 499 * time.Millisecond: 1, 1499 * time.Millisecond: 1,
		1500 * time.Millisecond: 2, 38 * time.Second: 38,
	} {
		if got := twilio.Seconds(d); got != want {
			t.Errorf("Seconds(%v) = %d, want %d", d, got, want)
		}
	}
}

// TestEvents_HaveTheParametersOfTheDocumentation compares with the tables of twilio.com/docs/video/api/status-callbacks.
func TestEvents_HaveTheParametersOfTheDocumentation(t *testing.T) {
	created := time.Date(2020, 9, 2, 15, 29, 0, 0, time.UTC)
	room := roomreel.Room{
		SID: "RM1", AccountSID: "AC1", UniqueName: "standup", Type: "group", Status: roomreel.RoomCompleted,
		Created: created, Ended: created.Add(90 * time.Second),
	}
	recording := roomreel.Recording{
		SID: "RT1", RoomSID: "RM1", ParticipantSID: "PA1", Identity: "alice", TrackSID: "MT1", TrackName: "camera",
		Kind: roomreel.Video, Codec: "vp8", Container: "mkv", Size: 105956, Duration: 400 * time.Millisecond,
		Offset: 1500 * time.Millisecond, Failure: roomreel.Failure{Operation: twilio.RecordingUpload},
	}
	composition := roomreel.Composition{
		SID: "CJ1", RoomSID: "RM1", Status: roomreel.CompositionProcessing, Started: created, Progress: 25, Remaining: 31 * time.Second, Noted: created.Add(9 * time.Second), Size: 7, Duration: 38 * time.Second,
		Media:   roomreel.Media{External: "https://bucket/film.mp4"},
		Failure: roomreel.Failure{Operation: twilio.CompositionProcessing, Message: "no"},
	}
	hook := roomreel.Hook{SID: "HK1", FriendlyName: "all"}
	now := created.Add(10 * time.Second)

	participant := roomreel.Participant{SID: "PA1", Identity: "alice", Status: "disconnected", Start: created, End: created.Add(time.Minute)}
	track := roomreel.PublishedTrack{SID: "MT1", Kind: roomreel.Video}

	ofRoom := map[string]string{"RoomSid": "RM1", "RoomName": "standup", "RoomType": "group"}
	ofParticipant := with(ofRoom, map[string]string{
		"RoomStatus": "completed", "ParticipantSid": "PA1", "ParticipantStatus": "disconnected", "ParticipantIdentity": "alice",
	})
	ofRecording := with(ofRoom, map[string]string{
		"RecordingSid": "RT1", "RecordingUri": "/v1/Recordings/RT1", "ParticipantSid": "PA1", "ParticipantIdentity": "alice",
		"SourceSid": "MT1", "TrackName": "camera", "Container": "mkv", "Codec": "vp8", "Type": "video",
		"OffsetFromTwilioVideoEpoch": "1500",
	})
	ofComposition := map[string]string{"RoomSid": "RM1", "CompositionSid": "CJ1", "CompositionUri": "/v1/Compositions/CJ1"}
	ofHook := map[string]string{"HookSid": "HK1", "HookUri": "/v1/CompositionHooks/HK1", "HookFriendlyName": "all"}
	for event, test := range map[roomreel.EventType]struct{ got, want map[string]string }{
		roomreel.RoomCreatedEvent: {
			twilio.RoomEvent(room, roomreel.RoomCreatedEvent), with(ofRoom, map[string]string{"RoomStatus": "completed"}),
		},
		roomreel.RoomEndedEvent: {
			twilio.RoomEvent(room, roomreel.RoomEndedEvent),
			with(ofRoom, map[string]string{"RoomStatus": "completed", "RoomDuration": "90"}),
		},
		roomreel.ParticipantConnectedEvent: {
			twilio.ParticipantEvent(room, participant, nil, roomreel.ParticipantConnectedEvent), ofParticipant,
		},
		roomreel.ParticipantEndedEvent: {
			twilio.ParticipantEvent(room, participant, nil, roomreel.ParticipantEndedEvent),
			with(ofParticipant, map[string]string{"ParticipantDuration": "60"}),
		},
		roomreel.TrackAddedEvent: {
			twilio.ParticipantEvent(room, participant, &track, roomreel.TrackAddedEvent),
			with(ofParticipant, map[string]string{"TrackSid": "MT1", "TrackKind": "video"}),
		},
		roomreel.RecordingStartedEvent: {
			twilio.RecordingEvent(room, recording, roomreel.RecordingStartedEvent), ofRecording,
		},
		roomreel.RecordingCompletedEvent: {
			twilio.RecordingEvent(room, recording, roomreel.RecordingCompletedEvent),
			with(ofRecording, map[string]string{"MediaUri": "/v1/Recordings/RT1/Media", "Duration": "1", "Size": "105956"}),
		},
		roomreel.RecordingFailedEvent: {
			twilio.RecordingEvent(room, recording, roomreel.RecordingFailedEvent),
			with(ofRecording, map[string]string{"FailedOperation": "RecordingUpload"}),
		},
		roomreel.CompositionEnqueuedEvent: {
			twilio.CompositionEvent(composition, roomreel.CompositionEnqueuedEvent, &hook, now), with(ofComposition, ofHook),
		},
		roomreel.CompositionStartedEvent: {
			twilio.CompositionEvent(composition, roomreel.CompositionStartedEvent, nil, now), ofComposition,
		},
		roomreel.CompositionProgressEvent: {
			twilio.CompositionEvent(composition, roomreel.CompositionProgressEvent, nil, now),
			with(ofComposition, map[string]string{"PercentageDone": "25", "SecondsRemaining": "30"}),
		},
		roomreel.CompositionAvailableEvent: {
			twilio.CompositionEvent(composition, roomreel.CompositionAvailableEvent, nil, now),
			with(ofComposition, map[string]string{
				"MediaUri": "/v1/Compositions/CJ1/Media", "Duration": "38", "Size": "7",
				"MediaExternalLocation": "https://bucket/film.mp4",
			}),
		},
		roomreel.CompositionFailedEvent: {
			twilio.CompositionEvent(composition, roomreel.CompositionFailedEvent, nil, now),
			with(ofComposition, map[string]string{"FailedOperation": "CompositionProcessing", "ErrorMessage": "no"}),
		},
		roomreel.CompositionHookFailedEvent: {
			twilio.HookFailedEvent(hook, "RM1", roomreel.Failure{Operation: twilio.CompositionEnqueue, Message: "no"}),
			with(ofHook, map[string]string{"RoomSid": "RM1", "FailedOperation": "CompositionEnqueue", "ErrorMessage": "no"}),
		},
	} {
		t.Run(string(event), func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got); diff != "" {
				t.Errorf("own parameters (-want +got):\n%s", diff)
			}
			e := roomreel.Event{AccountSID: "AC1", Type: event, Created: created, Params: test.got}
			all := with(test.want, map[string]string{
				"AccountSid": "AC1", "StatusCallbackEvent": string(event), "Timestamp": "2020-09-02T15:29:00.000Z",
			})
			if diff := cmp.Diff(all, twilio.EventParams(e)); diff != "" {
				t.Errorf("all parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func with(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func TestRoomURI_EscapesNames(t *testing.T) {
	if got, want := twilio.RoomURI("stand up/1"), "/v1/Rooms/stand%20up%2F1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestContentTypes(t *testing.T) {
	for want, got := range map[string]string{
		"audio/x-matroska": twilio.RecordingContentType(roomreel.Recording{Kind: roomreel.Audio, Container: "mka"}),
		"video/x-matroska": twilio.RecordingContentType(roomreel.Recording{Kind: roomreel.Video, Container: "mkv"}),
		"audio/ogg":        twilio.RecordingContentType(roomreel.Recording{Kind: roomreel.Audio, Media: roomreel.Media{ContentType: "audio/ogg"}}),
		"video/mp4":        twilio.RecordingContentType(roomreel.Recording{Kind: roomreel.Video, Media: roomreel.Media{ContentType: "video/mp4"}}),
		"video/webm":       twilio.FilmContentType(roomreel.WebM),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// source is what the module's Go files say, without tests and without this package.
type source struct {
	selected map[string]bool     // X.Name for every selector of a field or a package
	numbers  map[string][]string // five-digit numbers, and the files that hold them
}

func readSource(t *testing.T) source {
	t.Helper()
	all := source{map[string]bool{}, map[string][]string{}}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && (strings.HasPrefix(d.Name(), ".") || path == "../../internal/twilio" || path == "../../e2e" || path == "../../tools"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					all.selected[x.Name+"."+n.Sel.Name] = true
				}
				all.selected["."+n.Sel.Name] = true
			case *ast.BasicLit:
				if n.Kind == token.INT && len(n.Value) == 5 {
					all.numbers[n.Value] = append(all.numbers[n.Value], path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// declared returns this package's numbers by their names.
func declared(t *testing.T) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			names[spec.Names[0].Name], _ = strconv.Atoi(lit.Value)
		}
		return true
	})
	for group, of := range map[string]twilio.StorageErrors{
		"RecordingStorage": twilio.RecordingStorage, "CompositionStorage": twilio.CompositionStorage,
		"CompositionDelivery": twilio.CompositionDelivery,
	} {
		v := reflect.ValueOf(of)
		for i := range v.NumField() {
			names[group+"."+v.Type().Field(i).Name] = int(v.Field(i).Int())
		}
	}
	return names
}

func TestErrors_ExplainEveryNumberAndNoOther(t *testing.T) {
	names := declared(t)
	explained := map[int]bool{}
	for name, number := range names {
		explained[number] = true
		byKind := number < 53000 && number != twilio.PageSizeTooLarge
		if byKind == (twilio.Errors[number].Meaning != "") {
			t.Errorf("%s (%d): the table says %q", name, number, twilio.Errors[number].Meaning)
		}
	}
	for number := range twilio.Errors {
		if !explained[number] {
			t.Errorf("the table explains %d, which has no name", number)
		}
	}
}

// TestErrors_EveryNumberIsSentByItsName holds the code to the names of this package: each is used, and nothing writes a
// number instead.
func TestErrors_EveryNumberIsSentByItsName(t *testing.T) {
	code, names := readSource(t), declared(t)
	for name, number := range names {
		group, field, grouped := strings.Cut(name, ".")
		sent := code.selected["twilio."+group]
		if grouped {
			// SettingsErrors hands out the two groups for settings.
			sent = (sent || code.selected["twilio.SettingsErrors"] && group != "CompositionDelivery") && code.selected["."+field]
		}
		if !sent {
			t.Errorf("no code sends %s (%d): remove it, or send it", name, number)
		}
	}
	numbers := slices.Collect(maps.Values(names))
	for text, files := range code.numbers {
		number, _ := strconv.Atoi(text)
		if slices.Contains(numbers, number) || number/1000 == 53 {
			t.Errorf("%v holds the number %s: give it a name in package twilio", files, text)
		}
	}
}
