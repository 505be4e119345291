package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roomreel/internal/jsonparam"
)

// readObject reads one JSON object and passes each value to the reader of its field. It calls problem for every unknown or
// unreadable field, and goes on. The error says that text is not a JSON object that package jsonparam reads.
func readObject(text []byte, fields map[string]func(json.RawMessage) error, problem func(error)) error {
	given, err := jsonparam.Object(strings.TrimPrefix(string(text), "\ufeff")) // some editors begin a file with a byte order mark
	if err != nil {
		return err
	}
	for _, field := range given {
		read, known := fields[field.Name]
		if !known {
			problem(fmt.Errorf("unknown field %q; the fields are %s", field.Name, strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
		} else if err := read(field.Value); err != nil {
			problem(fmt.Errorf("%s %w", field.Name, err))
		}
	}
	return nil
}
