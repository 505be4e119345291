package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	parsed, err := parseRules("Rules", rules)
	if err != nil {
		return RecordingRules{}, err
	}
	r, err = a.store.SetRules(ctx, acct, r.SID, parsed)
	return rulesOf(r), err
}

func rulesOf(r roomreel.Room) RecordingRules {
	return RecordingRules{RoomSID: r.SID, Rules: r.Rules, Created: r.Created, Updated: r.RulesUpdated}
}

// maxRules is how many rules a room may have.
//
// Source: twilio.com/docs/video/api/recording-rules.
const maxRules = 20

// parseRules reads a JSON array of rules. Each rule has a type and at least one filter; the filter all stands alone.
func parseRules(param, text string) ([]roomreel.RecordingRule, error) {
	rules, err := readRules(text)
	if err != nil {
		return nil, &roomreel.Error{Code: roomreel.Invalid, Twilio: twilio.RecordingRulesInvalid, Param: param, Detail: err.Error()}
	}
	return rules, nil
}

func readRules(text string) ([]roomreel.RecordingRule, error) {
	items, err := jsonparam.List(text, maxRules)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotRules, err)
	}
	if len(items) == 0 {
		return nil, errors.New("has no rule; at least one is needed")
	}
	rules := make([]roomreel.RecordingRule, len(items))
	for i, item := range items {
		if rules[i], err = readRule(string(item)); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

var errNotRules = errors.New(`must be a JSON array of rules, such as [{"type":"include","all":true}]`)

// readRule reads one rule. C#'s own type sends null for each filter that is not set.
func readRule(text string) (rule roomreel.RecordingRule, err error) {
	fields, err := jsonparam.Object(text)
	if err != nil {
		return rule, fmt.Errorf("a rule is not a JSON object: %w", err)
	}
	for _, field := range fields {
		if err := setRule(&rule, field.Name, field.Value); err != nil {
			return rule, err
		}
	}
	switch {
	case rule.Type == "":
		return rule, errors.New("a rule lacks its type: include or exclude")
	case len(fields) == 1:
		return rule, errors.New("a rule lacks a filter: all, kind, publisher or track")
	case rule.All && len(fields) > 2:
		return rule, errors.New("a rule with all has no other filter")
	}
	return rule, nil
}

func setRule(rule *roomreel.RecordingRule, name string, value json.RawMessage) error {
	text, isText := jsonparam.Text(value)
	switch name {
	case "type":
		if text != "include" && text != "exclude" {
			return errors.New("the type of a rule is include or exclude")
		}
		rule.Type = text
	case "all":
		if string(value) != "true" {
			return errors.New("all can only be true in a rule")
		}
		rule.All = true
	case "kind":
		if text != string(roomreel.Audio) && text != string(roomreel.Video) {
			return errors.New("the kind of a rule is audio or video")
		}
		rule.Kind = roomreel.TrackKind(text)
	case "publisher", "track":
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
