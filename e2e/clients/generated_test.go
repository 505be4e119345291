package clients

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedClient makes a client of the description that a server serves, and composes a room with it. A validator checks the
// description first, and the compiler checks that the scenario uses only what it describes.
func TestGeneratedClient(t *testing.T) {
	js, tools := node(t), here(t, "node/node_modules/.bin")
	s := serve(t, "--listen", "127.0.0.1:0")
	dir := t.TempDir()
	description := filepath.Join(dir, "openapi.json")
	download(t, s.url+"/roomreel/v1/openapi.json", description)
	if got := run(t, os.Environ(), js, "node/valid.mjs", description); got != "3.1\n" {
		t.Errorf("the description is valid OpenAPI %q, want 3.1", got)
	}
	run(t, os.Environ(), js, filepath.Join(tools, "openapi-ts"), "--input", description, "--output", filepath.Join(dir, "client"), "--silent")
	scenario, err := os.ReadFile("node/generated.ts")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "generated.ts"), scenario, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, os.Environ(), js, filepath.Join(tools, "tsc"), "--strict", "--skipLibCheck", "--target", "es2022", "--module", "commonjs", "--outDir", filepath.Join(dir, "js"),
		"--typeRoots", here(t, "node/node_modules/@types"), "--types", "node", filepath.Join(dir, "generated.ts"))
	environment := append(s.environment(s.account(t, "generated")), "RECORDING="+filepath.Join(makeRoom(t), "alice-microphone.mka"))
	if got, want := run(t, environment, js, filepath.Join(dir, "js", "generated.js")), "3 compositions\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// download writes what is served at a URL to a file.
func download(t *testing.T, url, path string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v", url, response.Status, err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
