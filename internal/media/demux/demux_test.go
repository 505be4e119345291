package demux

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"roomreel"
)

func TestReadIndex_RefusesWhatItCannotRead(t *testing.T) {
	tests := map[string]struct {
		file []byte
		want string
	}{
		"empty":    {nil, "the file is empty"},
		"short":    {[]byte("ab"), "begins with the bytes 61 62"},
		"wav":      {[]byte("RIFF\x00\x00\x00\x00WAVEfmt "), "this is a WAV file: recordings are Matroska or WebM, MP4, or Ogg files"},
		"playlist": {[]byte("#EXTM3U\n#EXT-X-VERSION:3"), "an HLS playlist"},
		"json":     {[]byte(`{"recordings": []}`), "this is a JSON file"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadIndex(bytes.NewReader(test.file), int64(len(test.file)), "")
			var e *roomreel.Error
			if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Param != "Media" || !strings.Contains(e.Detail, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
