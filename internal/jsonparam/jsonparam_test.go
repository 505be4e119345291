package jsonparam

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestObject_LeavesNullOutAndKeepsTheOrder(t *testing.T) {
	got, err := Object(` {"b":1,"a":null,"":"x","z":{"c":null}} `)
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{{"b", json.RawMessage("1")}, {"", json.RawMessage(`"x"`)}, {"z", json.RawMessage(`{"c":null}`)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestObject_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "it is empty",
		" ":                        "it is empty",
		"null":                     "expected an object",
		"[]":                       "expected an object",
		`{"a":1`:                   "ends too early",
		`{"a":`:                    "ends too early",
		`{"a":1} x`:                "follows after",
		`{a:1}`:                    "not valid JSON at byte",
		`{"a":1,"a":2}`:            `"a" is given twice`,
		`{"a":null,"a":2}`:         `"a" is given twice`,
		`{"a":1,"\u0061":2}`:       `"a" is given twice`,
		`{"a":"\ud800"}`:           `holds \ud800, which is half of a character`,
		`{"a":"\udc00\ud800"}`:     `holds \udc00`,
		`{"a":"\uD83D x"}`:         `holds \uD83D`,
		`{"a":"\ud83d\ud83d"}`:     `holds \ud83d`,
		`{"\ud800":1}`:             `holds \ud800`,
		`{"a":{"b":["\\\ud800"]}}`: `holds \ud800`,
		`{"a":"\u0000"}`:           "NUL",
		"{\"a\":\"\xed\xa0\x80\"}": "not valid UTF-8",
	} {
		if _, err := Object(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{`{"a":"\ud83d\ude00"}`, `{"a":"\\ud800"}`, `{"a":"\\\\ud800"}`, `{"a":"\\u0000"}`, `{"a":"\ufffd"}`} {
		if _, err := Object(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestList_CountsItems(t *testing.T) {
	if items, err := List(`[1,null,"x"]`, 3); err != nil || len(items) != 3 {
		t.Errorf("%s, %v", items, err)
	}
	for text, want := range map[string]string{`[1,2,3,4]`: "more than 3 entries", `{}`: "expected a list", `[1`: "ends too early", `["\ud800"]`: "half of a character"} {
		if _, err := List(text, 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestWhole(t *testing.T) {
	for text, want := range map[string]int64{"12": 12, "12.0": 12, "1.2e1": 12, "-0": 0, "-3.00": -3, "120e-1": 12, "9007199254740992": 1 << 53} {
		if got, ok := Whole(text, -1<<53, 1<<53); !ok || got != want {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "12.5", `"12"`, "true", "null", "0x10", "1_000", "inf", "NaN", "1e999", "9007199254740994", "101", "-1", "[1]", "e", "."} {
		if got, ok := Whole(text, 0, 100); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// FuzzObject: what is read holds only Unicode text, and the same as encoding/json reads.
func FuzzObject(f *testing.F) {
	f.Add(`{"a":"\ud83d\ude00","b":{"c":null}}`)
	f.Add(`{"a":"\ud800"}`)
	f.Add(`{"a":"\\\u`)
	f.Fuzz(func(t *testing.T, text string) {
		fields, err := Object(text)
		if err != nil {
			return
		}
		var plain map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &plain); err != nil {
			t.Fatalf("%q is accepted and is not JSON: %v", text, err)
		}
		for _, field := range fields {
			if !utf8.ValidString(field.Name) || string(plain[field.Name]) != string(field.Value) {
				t.Fatalf("%q: field %q is %s, not %s", text, field.Name, field.Value, plain[field.Name])
			}
			value, ok := Text(field.Value)
			if ok && strings.Count(value, "\ufffd") > strings.Count(text, "\ufffd")+strings.Count(strings.ToLower(text), `\ufffd`) {
				t.Fatalf("%q: %q has a character that was not sent", text, value)
			}
		}
	})
}
