// Package jsonparam reads JSON that callers write: parameters, and room.json. It has the rules that hold in all of it.
//
//   - A field that is null is absent. Some clients send null for every field that was not set.
//   - A whole number may be written as 12, 12.0 or 1.2e1, because some languages print 12 as 12.0.
//   - A field that is given twice is refused: one of the two values would be lost.
//   - Text that is not Unicode is refused: bytes that are not UTF-8, and one half of a surrogate pair, such as "\ud800".
//     encoding/json would replace both by U+FFFD. A NUL character is refused, because PostgreSQL cannot store it.
//
// Errors are fragments of a sentence about the value; the caller adds the name of the parameter. Start with [Object].
package jsonparam

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Field is one field of an object.
type Field struct {
	Name  string
	Value json.RawMessage // never null
}

// IsNull reports whether a parameter is absent: empty, or the JSON text null.
func IsNull(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || text == "null"
}

// Object returns the fields of a JSON object in the order of its text, without those that are null.
func Object(text string) ([]Field, error) {
	d, err := open(text, '{', "an object, which begins with {")
	if err != nil {
		return nil, err
	}
	var fields []Field
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, explain(err)
		}
		name := token.(string) // inside an object the decoder accepts nothing else here
		if seen[name] {
			return nil, fmt.Errorf("%.60q is given twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, explain(err)
		}
		if string(value) != "null" {
			fields = append(fields, Field{name, value})
		}
	}
	return fields, end(d)
}

// List returns the items of a JSON list, of which there may be most. An item may be null.
func List(text string, most int) ([]json.RawMessage, error) {
	d, err := open(text, '[', "a list, which begins with [")
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	for d.More() {
		if len(items) == most {
			return nil, fmt.Errorf("has more than %d entries", most)
		}
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return nil, explain(err)
		}
		items = append(items, item)
	}
	return items, end(d)
}

// Whole reads a whole number from least to most, of a JSON value or of the text of a parameter. The bounds lie within 2^53.
func Whole(text string, least, most int64) (int64, bool) {
	if strings.Trim(text, "0123456789.eE+-") != "" { // what else strconv reads: hexadecimal, underscores, infinity
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, false
		}
		n = int64(f)
	}
	return n, n >= least && n <= most
}

// Text reads a JSON string.
func Text(value json.RawMessage) (string, bool) {
	var text string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return "", false
	}
	return text, true
}

// open checks the characters of text and reads its first token.
func open(text string, delim json.Delim, want string) (*json.Decoder, error) {
	if fault := characters(text); fault != "" {
		return nil, errors.New(fault)
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("it is empty")
	}
	d := json.NewDecoder(strings.NewReader(text))
	token, err := d.Token()
	if err != nil {
		return nil, explain(err)
	}
	if token != delim {
		return nil, fmt.Errorf("expected %s", want)
	}
	return d, nil
}

// end reads the closing bracket, after which the text must end.
func end(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows after the closing bracket")
	}
	return nil
}

func explain(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not valid JSON: it ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON at byte %d: %w", syntax.Offset, err)
	}
	return fmt.Errorf("not valid JSON: %w", err)
}

// characters returns why text is not Unicode text that can be stored, or "".
func characters(text string) string {
	if !utf8.ValidString(text) {
		return "is not valid UTF-8 text"
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit, ok := escape(text[i:])
		if !ok {
			i++ // of \\ and \" the second character begins nothing
			continue
		}
		switch {
		case unit == 0:
			return "holds a NUL character"
		case utf16.IsSurrogate(unit):
			second, _ := escape(text[i+6:])
			if utf16.DecodeRune(unit, second) == utf8.RuneError {
				return fmt.Sprintf("holds %s, which is half of a character without its other half", text[i:i+6])
			}
			i += 6
		}
		i += 5
	}
	return ""
}

// escape reads the escape \uXXXX at the beginning of text.
func escape(text string) (rune, bool) {
	if len(text) < 6 || text[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}
