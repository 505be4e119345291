package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// openAPIPath is where the description of the API is served.
const openAPIPath = "/roomreel/v1/openapi.json"

// openAPIText is the description of everything that is served: OpenAPI 3.1. TestOpenAPI_IsOfTheRoutes makes it of the routes, the
// parameters that handlers read and the types of wire.go.
//
//go:embed openapi.json
var openAPIText []byte

// anyVersion stands in openapi.json for the version of the program that serves it.
const anyVersion = `"version": "0.0.0"`

// openAPI is the description as it is served.
type openAPI struct {
	text []byte // without white space
	etag string
}

func newOpenAPI(version string) openAPI {
	text := bytes.Replace(openAPIText, []byte(anyVersion), fmt.Appendf(nil, `"version": %q`, cmp.Or(version, "0.0.0")), 1)
	var plain bytes.Buffer
	if err := json.Compact(&plain, text); err != nil {
		panic(fmt.Sprintf("api: openapi.json: %v", err)) // a bug: the file is a part of the program
	}
	return openAPI{plain.Bytes(), fmt.Sprintf(`"%x"`, sha256.Sum256(plain.Bytes()))}
}

// fetchOpenAPI serves the description without signing in: it holds nothing of an account, and generators of clients read it.
func (a *API) fetchOpenAPI(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("ETag", a.openAPI.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.openAPI.text))
	return nil
}
