package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"roomreel"
)

// Names are what a participant and its tracks were called before they were anonymized.
type Names struct {
	Identity string
	Tracks   []roomreel.PublishedTrack // of the participant
	Others   []string                  // names of the room's other tracks
}

// AnonymizeParticipant replaces the identity of a participant by its SID, and the names of its tracks by theirs, in all rows: the
// participant, its tracks and recordings, events that were delivered or are to be, rules, and the requests and reports of the
// room's compositions. rename returns a composition's request without the names; it must not reach the database.
//
// A plan that is stored keeps the names until its composition ends; the report that comes of it does not, see currentNames.
func (s *Store) AnonymizeParticipant(ctx context.Context, room roomreel.Room, sid roomreel.ParticipantSID,
	rename func(Names, roomreel.Composition) roomreel.FilmSpec,
) (roomreel.Participant, error) {
	return s.changeParticipant(ctx, room, sid, func(tx *Tx, room roomreel.Room, p *roomreel.Participant) error {
		names, err := namesOf(ctx, tx, *p)
		if err != nil {
			return err
		}
		recordings, err := collect(ctx, tx, scanText[string], `SELECT sid FROM recording WHERE participant_sid = $1 ORDER BY created, sid`, sid)
		if err != nil {
			return err
		}
		p.Identity, p.Updated = string(sid), s.now()
		for _, text := range []string{
			`UPDATE participant SET identity = sid, updated = $2 WHERE sid = $1`,
			`UPDATE track SET name = sid, updated = $2 WHERE participant_sid = $1`,
		} {
			if _, err := tx.Exec(ctx, text, sid, micros(p.Updated)); err != nil {
				return err
			}
		}
		// The digest of an upload is made of the names too. The same file is a new recording if it is uploaded again.
		if _, err := tx.Exec(ctx, `UPDATE recording SET identity = participant_sid, track_name = track_sid, upload_digest = 'anonymized ' || sid
			WHERE participant_sid = $1`, sid); err != nil {
			return err
		}
		for _, resource := range append(recordings, string(room.SID)) {
			if err := renameInEvents(ctx, tx, resource, *p); err != nil {
				return err
			}
		}
		if err := names.renameInRules(ctx, tx, room, *p); err != nil {
			return err
		}
		if err := s.renameInCompositions(ctx, tx, room, names, rename); err != nil {
			return err
		}
		return s.audit(ctx, tx, room.AccountSID, "update", string(sid), map[string]string{"identity": "anonymized"})
	})
}

func namesOf(ctx context.Context, tx *Tx, p roomreel.Participant) (Names, error) {
	all, err := collect(ctx, tx, scanTrack, `SELECT `+trackColumns+` FROM track WHERE room_sid = $1 ORDER BY created, sid`, p.RoomSID)
	names := Names{Identity: p.Identity}
	for _, track := range all {
		if track.ParticipantSID == p.SID {
			names.Tracks = append(names.Tracks, track)
		} else {
			names.Others = append(names.Others, track.Name)
		}
	}
	return names, err
}

// renameInEvents replaces the names in the parameters of a resource's events that are about an anonymized participant.
func renameInEvents(ctx context.Context, tx *Tx, resource string, p roomreel.Participant) error {
	type event struct {
		id     string
		params map[string]string
	}
	events, err := collect(ctx, tx, func(row scanner) (e event, err error) {
		err = row.Scan(&e.id, fromText{&e.params})
		return e, err
	}, `SELECT id, params FROM event WHERE resource = $1`, resource)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.params["ParticipantSid"] != string(p.SID) {
			continue
		}
		e.params["ParticipantIdentity"] = p.Identity
		if _, named := e.params["TrackName"]; named {
			e.params["TrackName"] = e.params["SourceSid"]
		}
		if _, err := tx.Exec(ctx, `UPDATE event SET params = $2 WHERE id = $1`, e.id, text(e.params)); err != nil {
			return err
		}
	}
	return nil
}

// renameInRules replaces the names in the recording rules of a room and the subscribe rules of its participants.
func (n Names) renameInRules(ctx context.Context, tx *Tx, room roomreel.Room, p roomreel.Participant) error {
	rename := func(rule *roomreel.RecordingRule) {
		if rule.Publisher == n.Identity {
			rule.Publisher = p.Identity
		}
		for _, track := range n.Tracks {
			if rule.Track == track.Name && !slices.Contains(n.Others, track.Name) {
				rule.Track = string(track.SID)
				break
			}
		}
	}
	for i := range room.Rules {
		rename(&room.Rules[i])
	}
	if _, err := tx.Exec(ctx, `UPDATE room SET rules = $2 WHERE sid = $1`, room.SID, text(room.Rules)); err != nil {
		return err
	}
	all, err := collect(ctx, tx, scanParticipant(room), `SELECT `+participantColumns+` FROM participant
		WHERE room_sid = $1 AND subscribe_rules <> 'null'`, room.SID)
	if err != nil {
		return err
	}
	for _, other := range all {
		for i := range other.SubscribeRules {
			rename(&other.SubscribeRules[i].RecordingRule)
		}
		if _, err := tx.Exec(ctx, `UPDATE participant SET subscribe_rules = $2 WHERE sid = $1`, other.SID, text(other.SubscribeRules)); err != nil {
			return err
		}
	}
	return nil
}

// renameInCompositions replaces the names in the requests and reports of a room's compositions, deleted ones too.
func (s *Store) renameInCompositions(ctx context.Context, tx *Tx, room roomreel.Room, names Names,
	rename func(Names, roomreel.Composition) roomreel.FilmSpec,
) error {
	all, err := collect(ctx, tx, scanComposition, `SELECT `+compositionColumns+` FROM composition WHERE room_sid = $1 ORDER BY created, sid`+s.forUpdate, room.SID)
	if err != nil {
		return err
	}
	recordings, err := anonymousOf(ctx, tx, room.SID)
	if err != nil {
		return err
	}
	for _, c := range all {
		spec := rename(names, c)
		report, err := withNames(c.Report, recordings)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE composition SET video_layout = $2, audio_sources = $3, audio_sources_excluded = $4, report = $5 WHERE sid = $1`,
			c.SID, spec.VideoLayout, text(spec.AudioSources), text(spec.AudioSourcesExcluded), report); err != nil {
			return err
		}
		plan, err := planOf(ctx, tx, c.SID)
		if errors.Is(err, ErrLeaseLost) || err == nil && plan.Film == nil {
			continue // there is no film that waits for its delivery
		}
		if err != nil {
			return err
		}
		if plan.Film.Report, err = withNames(plan.Film.Report, recordings); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE composition_plan SET film = $2 WHERE composition_sid = $1`, c.SID, text(plan.Film)); err != nil {
			return err
		}
	}
	return nil
}

// anonymous is a recording of an anonymized participant, by the names that it has now.
type anonymous struct{ recording, participant, track string }

// anonymousOf returns the recordings of a room's anonymized participants by their SIDs.
func anonymousOf(ctx context.Context, q querier, room roomreel.RoomSID) (map[string]anonymous, error) {
	all, err := collect(ctx, q, func(row scanner) (r anonymous, err error) {
		err = row.Scan(&r.recording, &r.participant, &r.track)
		return r, err
	}, `SELECT sid, participant_sid, track_sid FROM recording WHERE room_sid = $1 AND identity = participant_sid`, room)
	bySID := map[string]anonymous{}
	for _, r := range all {
		bySID[r.recording] = r
	}
	return bySID, err
}

// currentNames is withNames for a room's anonymized participants.
func currentNames(ctx context.Context, q querier, room roomreel.RoomSID, report string) (string, error) {
	if report == "" {
		return "", nil
	}
	recordings, err := anonymousOf(ctx, q, room)
	if err != nil {
		return "", err
	}
	return withNames(report, recordings)
}

// title is that of a file's track in a report, as media.FileTrack.String quotes it.
var title = regexp.MustCompile(`, "(?:[^"\\]|\\.)*"`)

// withNames returns a report with the SIDs of anonymized participants and their tracks in the place of names that the plan knew.
// recordings are theirs. The titles of the tracks of all files are left out: recorders write names into them.
func withNames(report string, recordings map[string]anonymous) (string, error) {
	if report == "" || len(recordings) == 0 {
		return report, nil
	}
	type object = map[string]json.RawMessage
	var fields object
	var tracks, visits []object
	if err := json.Unmarshal([]byte(report), &fields); err != nil {
		return "", fmt.Errorf("read report: %w", err)
	}
	if err := json.Unmarshal(fields["tracks"], &tracks); err != nil {
		return "", fmt.Errorf("read tracks of report: %w", err)
	}
	if fields["visits"] != nil { // reports of earlier versions of the program have none
		if err := json.Unmarshal(fields["visits"], &visits); err != nil {
			return "", fmt.Errorf("read visits of report: %w", err)
		}
	}
	sids := map[string]string{} // by identity, as JSON
	var titled []string         // texts of tracks with their titles, and without
	for _, track := range tracks {
		if track["left_out"] != nil {
			var list []string
			if err := json.Unmarshal(track["left_out"], &list); err != nil {
				return "", fmt.Errorf("read track of report: %w", err)
			}
			for i, with := range list {
				list[i] = title.ReplaceAllString(with, "")
				titled = append(titled, with, list[i])
			}
			track["left_out"] = json.RawMessage(text(list))
		}
		var sid string
		if err := json.Unmarshal(track["recording_sid"], &sid); err != nil {
			return "", fmt.Errorf("read track of report: %w", err)
		}
		if r, found := recordings[sid]; found {
			sids[string(track["participant"])] = r.participant
			track["participant"], track["track_name"] = json.RawMessage(text(r.participant)), json.RawMessage(text(r.track))
		}
	}
	fields["tracks"] = json.RawMessage(text(tracks))
	if len(titled) > 0 {
		var warnings []string
		if err := json.Unmarshal(fields["warnings"], &warnings); err != nil {
			return "", fmt.Errorf("read warnings of report: %w", err)
		}
		untitled := strings.NewReplacer(titled...)
		for i := range warnings {
			warnings[i] = untitled.Replace(warnings[i])
		}
		fields["warnings"] = json.RawMessage(text(warnings))
	}
	for _, visit := range visits {
		if sid, found := sids[string(visit["participant"])]; found {
			visit["participant"] = json.RawMessage(text(sid))
		}
	}
	if visits != nil {
		fields["visits"] = json.RawMessage(text(visits))
	}
	return text(fields), nil
}
