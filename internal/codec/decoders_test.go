package codec

import (
	"errors"
	"strings"
	"testing"
)

// Distributions build libavcodec without decoders of their choice.
func TestOpenDecoder_SaysWhatTheLibraryWasBuiltWithout(t *testing.T) {
	names := videoDecoders["av1"]
	defer func() { videoDecoders["av1"] = names }()
	videoDecoders["av1"] = []string{"not_there"}
	const want = "this build of the codec library has no decoder for av1"
	if _, err := OpenVideoDecoder("av1", nil); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	for _, name := range names { // each is enough
		videoDecoders["av1"] = []string{"not_there", name}
		d, err := OpenVideoDecoder("av1", []byte{0x81, 0, 0, 0})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d.Close()
	}
}
