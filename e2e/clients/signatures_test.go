package clients

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	twilio "github.com/twilio/twilio-go/client"
)

// checkSignatures has the validators of three libraries look at what was called back, and at forgeries of it.
func checkSignatures(t *testing.T, a account, deliveries []delivery) {
	t.Helper()
	methods := map[string]bool{}
	want := []bool{}
	var shown []delivery
	for _, d := range deliveries {
		methods[d.Method] = true
		forged := d
		forged.URL = strings.Replace(d.URL, "an+application", "another", 1)
		shown = append(shown, d, forged)
		want = append(want, true, false)
		if d.Method == "POST" {
			forged = d
			forged.Params = maps.Clone(d.Params)
			forged.Params["AccountSid"] += "0"
			shown = append(shown, forged)
			want = append(want, false)
		}
	}
	if !methods["GET"] || !methods["POST"] {
		t.Errorf("callbacks came by %v only", slices.Collect(maps.Keys(methods)))
	}
	path := write(t, shown)
	environment := append(os.Environ(), "TWILIO_AUTH_TOKEN="+a.Token)
	validator := twilio.NewRequestValidator(a.Token)
	said := map[string][]bool{}
	for _, d := range shown {
		said["go"] = append(said["go"], validator.Validate(d.URL, d.Params, d.Signature))
	}
	said["node"] = words(run(t, environment, node(t), "node/signature.js", path))
	said["python"] = words(run(t, environment, python(t), "python/signature.py", path))
	for library, got := range said {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s's validator on %d callbacks and their forgeries (-want +got):\n%s", library, len(deliveries), diff)
		}
	}
}

// words reads a line of true or false for each callback.
func words(text string) (said []bool) {
	for _, line := range strings.Fields(text) {
		said = append(said, line == "true" || line == "True")
	}
	return said
}
