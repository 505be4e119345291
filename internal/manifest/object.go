package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// readObject reads one JSON object and passes each value to the reader of its field.
//
// encoding/json alone uses the last of two fields of the same name without an error, and stops at the first unknown field.
// readObject calls problem for every unknown, repeated or unreadable field. The error says that text is not a JSON object.
func readObject(text []byte, fields map[string]func(json.RawMessage) error, problem func(error)) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin a file with a byte order mark
	decoder := json.NewDecoder(bytes.NewReader(text))
	token, err := decoder.Token()
	if err != nil {
		return explain(err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("expected an object, which begins with {")
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return explain(err)
		}
		name := token.(string) // inside an object the decoder accepts nothing else here
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return explain(err)
		}
		read, known := fields[name]
		switch {
		case !known:
			problem(fmt.Errorf("unknown field %q; the fields are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
		case seen[name]:
			problem(fmt.Errorf("field %q is given twice", name))
		default:
			if err := read(value); err != nil {
				problem(fmt.Errorf("%s %w", name, err))
			}
		}
		seen[name] = true
	}
	if _, err := decoder.Token(); err != nil {
		return explain(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows after the closing }")
	}
	return nil
}

func explain(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON at byte %d: %w", syntax.Offset, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not valid JSON: it ends too early")
	}
	return fmt.Errorf("not valid JSON: %w", err)
}
