package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/jsonparam"
	"roomreel/internal/twilio"
)

// RecordingRules are a room's rules, with the times at which they were created and updated.
type RecordingRules struct {
	RoomSID roomreel.RoomSID
	Rules   []roomreel.RecordingRule
	Created time.Time
	Updated time.Time
}

// RecordingRules returns a room's recording rules.
func (a *App) RecordingRules(ctx context.Context, acct roomreel.AccountSID, room string) (RecordingRules, error) {
	r, err := a.store.Room(ctx, acct, room)
	return rulesOf(r), err
}

// UpdateRecordingRules replaces the rules of a room in progress with those of a JSON array.
func (a *App) UpdateRecordingRules(ctx context.Context, acct roomreel.AccountSID, room, rules string) (RecordingRules, error) {
	r, err := a.store.Room(ctx, acct, room)
	if err != nil {
		return RecordingRules{}, err
	}
	parsed, err := parseRecordingRules("Rules", rules)
	if err != nil {
		return RecordingRules{}, err
	}
	r, err = a.store.SetRules(ctx, acct, r.SID, parsed)
	return rulesOf(r), err
}

func rulesOf(r roomreel.Room) RecordingRules {
	return RecordingRules{RoomSID: r.SID, Rules: r.Rules, Created: r.Created, Updated: r.RulesUpdated}
}

// SubscribeRules are the rules for what a participant receives from others. The times are zero while none were set.
type SubscribeRules struct {
	RoomSID        roomreel.RoomSID
	ParticipantSID roomreel.ParticipantSID
	Rules          []roomreel.SubscribeRule
	Created        time.Time
	Updated        time.Time
}

// SubscribeRules returns the subscribe rules of a participant: all tracks, unless others were set.
func (a *App) SubscribeRules(ctx context.Context, acct roomreel.AccountSID, room, participant string) (SubscribeRules, error) {
	p, err := a.Participant(ctx, acct, room, participant)
	return subscribeRulesOf(p), err
}

// UpdateSubscribeRules replaces the subscribe rules of a participant of a room in progress with those of a JSON array.
func (a *App) UpdateSubscribeRules(ctx context.Context, acct roomreel.AccountSID, room, participant, rules string) (SubscribeRules, error) {
	r, p, err := a.participantOf(ctx, acct, room, participant)
	if err != nil {
		return SubscribeRules{}, err
	}
	parsed, err := parseRules("Rules", rules, subscribeRules)
	if err != nil {
		return SubscribeRules{}, err
	}
	p, err = a.store.SetSubscribeRules(ctx, r, p.SID, parsed)
	return subscribeRulesOf(p), err
}

func subscribeRulesOf(p roomreel.Participant) SubscribeRules {
	rules := SubscribeRules{RoomSID: p.RoomSID, ParticipantSID: p.SID, Rules: p.SubscribeRules, Updated: p.SubscribeRulesUpdated}
	if rules.Rules == nil {
		rules.Rules = []roomreel.SubscribeRule{{RecordingRule: roomreel.RecordingRule{Type: "include", All: true}}}
	} else {
		rules.Created = p.Created
	}
	return rules
}

// maxRules is how many rules a room or participant may have.
//
// Source: twilio.com/docs/video/api/recording-rules and track-subscriptions.
const maxRules = 20

// ruleSyntax is what the rules of one kind may say.
type ruleSyntax struct {
	number     int // of the error
	kinds      []roomreel.TrackKind
	priorities []string
}

var (
	recordingRules = ruleSyntax{number: twilio.RecordingRulesInvalid, kinds: []roomreel.TrackKind{roomreel.Audio, roomreel.Video}}
	subscribeRules = ruleSyntax{
		number: twilio.SubscribeRulesInvalid, kinds: []roomreel.TrackKind{roomreel.Audio, roomreel.Video, "data"},
		priorities: []string{"low", "standard", "high"},
	}
)

// parseRecordingRules reads a JSON array of recording rules.
func parseRecordingRules(param, text string) ([]roomreel.RecordingRule, error) {
	parsed, err := parseRules(param, text, recordingRules)
	var rules []roomreel.RecordingRule
	for _, rule := range parsed {
		rules = append(rules, rule.RecordingRule)
	}
	return rules, err
}

// parseRules reads a JSON array of rules. Each rule has a type and at least one filter; the filter all stands alone.
func parseRules(param, text string, syntax ruleSyntax) ([]roomreel.SubscribeRule, error) {
	rules, err := syntax.read(text)
	if err != nil {
		return nil, &roomreel.Error{Code: roomreel.Invalid, Twilio: syntax.number, Param: param, Detail: err.Error()}
	}
	return rules, nil
}

func (s ruleSyntax) read(text string) ([]roomreel.SubscribeRule, error) {
	items, err := jsonparam.List(text, maxRules)
	if err != nil {
		return nil, fmt.Errorf(`must be a JSON array of rules, such as [{"type":"include","all":true}]: %w`, err)
	}
	if len(items) == 0 {
		return nil, errors.New("has no rule; at least one is needed")
	}
	rules := make([]roomreel.SubscribeRule, len(items))
	for i, item := range items {
		if rules[i], err = s.readRule(string(item)); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// readRule reads one rule. C#'s own type sends null for each filter that is not set.
func (s ruleSyntax) readRule(text string) (rule roomreel.SubscribeRule, err error) {
	fields, err := jsonparam.Object(text)
	if err != nil {
		return rule, fmt.Errorf("a rule is not a JSON object: %w", err)
	}
	filters := 0
	for _, field := range fields {
		if err := s.set(&rule, field.Name, field.Value); err != nil {
			return rule, err
		}
		if field.Name != "type" && field.Name != "priority" {
			filters++
		}
	}
	switch {
	case rule.Type == "":
		return rule, errors.New("a rule lacks its type: include or exclude")
	case filters == 0:
		return rule, errors.New("a rule lacks a filter: all, kind, publisher or track")
	case rule.All && filters > 1:
		return rule, errors.New("a rule with all has no other filter")
	}
	return rule, nil
}

func (s ruleSyntax) set(rule *roomreel.SubscribeRule, name string, value json.RawMessage) error {
	text, isText := jsonparam.Text(value)
	switch {
	case name == "type":
		if text != "include" && text != "exclude" {
			return errors.New("the type of a rule is include or exclude")
		}
		rule.Type = text
	case name == "all":
		if string(value) != "true" {
			return errors.New("all can only be true in a rule")
		}
		rule.All = true
	case name == "kind":
		if rule.Kind = roomreel.TrackKind(text); !slices.Contains(s.kinds, rule.Kind) {
			return fmt.Errorf("the kind of a rule is one of %v", s.kinds)
		}
	case name == "priority" && s.priorities != nil:
		if rule.Priority = text; !slices.Contains(s.priorities, text) {
			return fmt.Errorf("the priority of a rule is one of %v", s.priorities)
		}
	case name == "publisher" || name == "track":
		if !isText || text == "" || len([]rune(text)) > maxName {
			return fmt.Errorf("the %s of a rule is a text of 1 to %d characters", name, maxName)
		}
		if name == "track" {
			rule.Track = text
		} else {
			rule.Publisher = text
		}
	default:
		return fmt.Errorf("a rule has no field %.40q", name)
	}
	return nil
}
