package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"roomreel"
)

// parseQuery reads a query string or an urlencoded body. Unlike url.ParseQuery it takes a semicolon as a character, so that
// ContentDisposition=inline;filename=x is one value, and it refuses text that a database cannot store: text that is not UTF-8 or
// holds a NUL.
func parseQuery(text string) (url.Values, error) {
	values := url.Values{}
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil || badText(key) != "" {
			return nil, roomreel.Errorf(roomreel.Invalid, "the name of a parameter is not valid percent-encoded UTF-8 text")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, roomreel.InvalidParam(key, "is not validly percent-encoded")
		}
		if bad := badText(value); bad != "" {
			return nil, roomreel.InvalidParam(key, "%s", bad)
		}
		values.Add(key, value)
	}
	return values, nil
}

// badText returns why text cannot be stored, or "".
func badText(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not valid UTF-8 text"
	case strings.IndexByte(text, 0) >= 0:
		return "holds a NUL character"
	}
	return ""
}

// readForm reads the parameters of a POST from its body, urlencoded or multipart, of at most limit bytes. A body without a content
// type is read as urlencoded. The query string is not read.
func readForm(w http.ResponseWriter, r *http.Request, limit int64) (url.Values, error) {
	kind, attributes, err := contentType(r)
	if err != nil {
		return nil, err
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	switch kind {
	case "application/x-www-form-urlencoded", "":
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, bodyError(err)
		}
		return parseQuery(string(text))
	case "multipart/form-data":
		return readMultipart(body, attributes["boundary"])
	}
	return nil, roomreel.Errorf(roomreel.Invalid,
		"the body is %s; send the parameters as application/x-www-form-urlencoded or multipart/form-data", kind)
}

func contentType(r *http.Request) (kind string, attributes map[string]string, err error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return "", nil, nil
	}
	kind, attributes, err = mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", nil, roomreel.Errorf(roomreel.Invalid, "the Content-Type header cannot be read")
	}
	return kind, attributes, nil
}

// readMultipart reads every part as a value, also a file: curl -F PublicKey=@key.pem sends the text of the file.
func readMultipart(body io.Reader, boundary string) (url.Values, error) {
	if boundary == "" {
		return nil, roomreel.Errorf(roomreel.Invalid, "the Content-Type header of a multipart body must name its boundary")
	}
	values := url.Values{}
	parts := multipart.NewReader(body, boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return values, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, bodyError(err)
		}
		if err := addPart(values, part.FormName(), string(text)); err != nil {
			return nil, err
		}
	}
}

func addPart(values url.Values, name, text string) error {
	if badText(name) != "" {
		return roomreel.Errorf(roomreel.Invalid, "the name of a parameter is not valid UTF-8 text")
	}
	if bad := badText(text); bad != "" {
		return roomreel.InvalidParam(name, "%s", bad)
	}
	values.Add(name, text)
	return nil
}

// bodyError makes an error of a failure to read a body.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &roomreel.Error{
			Code: roomreel.TooLarge, Err: err,
			Detail: fmt.Sprintf("the body is larger than the %s that this resource takes", bytesText(tooLarge.Limit)),
		}
	}
	var ours *roomreel.Error
	if errors.As(err, &ours) {
		return err
	}
	return &roomreel.Error{Code: roomreel.Invalid, Err: err, Detail: "the body ended early or is not a well-formed form"}
}

// bytesText writes a limit with the largest unit that fits: 1 MiB, 5 GiB, 1000 bytes.
func bytesText(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
