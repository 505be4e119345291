package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// storable reports whether a text can be in a column. PostgreSQL refuses all other texts with an error, also where they
// are only looked for.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// micros is how an instant is stored: microseconds since 1970 UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant scans what micros stored.
type instant struct{ t *time.Time }

func (v instant) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("an instant is stored as %T", src)
	}
	*v.t = time.Time{}
	if n != 0 {
		*v.t = time.UnixMicro(n).UTC()
	}
	return nil
}

// text is how a value without a column of its own is stored. The values are our own structs of plain fields, which
// always have a JSON form.
func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic("store: " + err.Error())
	}
	return string(data)
}

// fromText scans what text stored.
type fromText struct{ value any }

func (v fromText) Scan(src any) error {
	switch src := src.(type) {
	case string:
		return json.Unmarshal([]byte(src), v.value)
	case []byte:
		return json.Unmarshal(src, v.value)
	}
	return fmt.Errorf("JSON is stored as %T", src)
}
