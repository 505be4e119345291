package blob

import (
	"fmt"
	"io/fs"
	"strings"
)

// MaxKey is the longest key in bytes. S3 allows 1024, of which a bucket's prefix takes a part.
const MaxKey = 800

// CheckKey says whether key can name an object in every store: slash-separated, relative, without empty, "." or ".."
// elements, without control characters, not starting with a dot (a folder keeps its unfinished files there).
func CheckKey(key string) error {
	switch {
	case !fs.ValidPath(key) || key == ".":
		return fmt.Errorf("blob: %q is not a key: it must be a relative path without empty, . or .. elements", key)
	case len(key) > MaxKey:
		return fmt.Errorf("blob: a key of %d bytes is longer than the %d that every store takes", len(key), MaxKey)
	case key[0] == '.':
		return fmt.Errorf("blob: %q is not a key: it starts with a dot", key)
	case strings.IndexFunc(key, func(r rune) bool { return r < 0x20 || r == 0x7f }) >= 0:
		return fmt.Errorf("blob: %q is not a key: it holds a control character", key)
	}
	return nil
}

// CheckRange says whether offset and length can be asked of Get.
func CheckRange(offset, length int64) error {
	if offset < 0 || length < -1 {
		return fmt.Errorf("blob: no such range: %d bytes from %d", length, offset)
	}
	return nil
}
