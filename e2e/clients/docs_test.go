package clients

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is the document that explains how clients use a server.
const page = "../../docs/clients.md"

// quote matches a code block under a link to the file that it quotes.
var quote = regexp.MustCompile("\\]\\(\\.\\./e2e/clients/([^)]+)\\):?\n\n```[a-z]*\n((?s).*?)```\n")

// TestDocs_QuoteTheTestedFiles checks that the page quotes whole files and mentions all files.
func TestDocs_QuoteTheTestedFiles(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	quoted := map[string]bool{}
	for _, found := range quote.FindAllStringSubmatch(string(text), -1) {
		file, err := os.ReadFile(found[1])
		if err != nil {
			t.Error(err)
			continue
		}
		quoted[found[1]] = true
		if string(file) != found[2] {
			t.Errorf("the quotation in %s differs from %s", page, found[1])
		}
	}
	for _, name := range []string{"go/connect.go", "node/connect.js", "python/connect.py", "cli/redirect.cjs", "php/connect.php", "ruby/connect.rb", "java/Connect.java", "csharp/Connect.cs"} {
		if !quoted[name] {
			t.Errorf("%s does not quote %s under a link to it", page, name)
		}
	}
	filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			t.Error(err)
		case entry.Name() == "node_modules" || entry.Name() == "__pycache__":
			return filepath.SkipDir
		case filepath.Dir(path) != "." && !entry.IsDir() && !strings.Contains(string(text), "../e2e/clients/"+path+")"):
			t.Errorf("%s does not mention %s", page, path)
		}
		return nil
	})
}

// TestDocs_LinkToFilesThatExist checks the links to files of this repository.
func TestDocs_LinkToFilesThatExist(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(page), found[1])); err != nil {
			t.Error(err)
		}
	}
}

// TestDocs_NameTheTestedVersions compares the page's table with the pinned and installed versions.
func TestDocs_NameTheTestedVersions(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var npm struct{ Dependencies map[string]string }
	if pinned, err := os.ReadFile("node/package.json"); err != nil {
		t.Error(err)
	} else if err := json.Unmarshal(pinned, &npm); err != nil {
		t.Error(err)
	}
	goVersion, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/twilio/twilio-go").Output()
	if err != nil {
		t.Error(err)
	}
	for _, name := range captured {
		version := regexp.MustCompile(`^twilio-\w+/(\S+)`).FindStringSubmatch(readCapture(t, name).Library)[1]
		if row := regexp.MustCompile(`\| requests of [^|]* ` + regexp.QuoteMeta(version) + ` \|`); !row.Match(text) {
			t.Errorf("%s has no row %s", page, row)
		}
	}
	for _, row := range []string{
		"| twilio-go " + strings.TrimSpace(string(goVersion)) + " |",
		"| npm twilio " + npm.Dependencies["twilio"] + " |",
		"| npm twilio-cli " + npm.Dependencies["twilio-cli"] + " |",
		"| Debian's python3-twilio " + strings.TrimSpace(run(t, os.Environ(), python(t), "-c", "import twilio; print(twilio.__version__)")) + " |",
	} {
		if !strings.Contains(string(text), row) {
			t.Errorf("%s has no row %q", page, row)
		}
	}
}
