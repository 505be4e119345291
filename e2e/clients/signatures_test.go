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

// checkSignatures checks received callbacks and forged copies of them with the validators of three libraries.
func checkSignatures(t *testing.T, a account, deliveries []delivery) {
	t.Helper()
	checked, want := forge(t, deliveries)
	path := write(t, checked)
	environment := append(os.Environ(), "TWILIO_AUTH_TOKEN="+a.Token)
	validator := twilio.NewRequestValidator(a.Token)
	got := map[string][]bool{}
	for _, d := range checked {
		got["go"] = append(got["go"], validator.Validate(d.URL, d.Params, d.Signature))
	}
	got["node"] = parseBools(run(t, environment, node(t), "node/signature.js", path))
	got["python"] = parseBools(run(t, environment, python(t), "python/signature.py", path))
	for library, valid := range got {
		if diff := cmp.Diff(want, valid); diff != "" {
			t.Errorf("%s's validator on %d callbacks and their forgeries (-want +got):\n%s", library, len(deliveries), diff)
		}
	}
}

// forge returns deliveries with forged copies of them, and which of them are genuine. It demands that both methods were used.
func forge(t *testing.T, deliveries []delivery) (checked []delivery, want []bool) {
	t.Helper()
	methods := map[string]bool{}
	for _, d := range deliveries {
		methods[d.Method] = true
		forged := d
		forged.URL = strings.Replace(d.URL, "an+application", "another", 1)
		checked = append(checked, d, forged)
		want = append(want, true, false)
		if d.Method == "POST" {
			forged = d
			forged.Params = maps.Clone(d.Params)
			forged.Params["AccountSid"] += "0"
			checked = append(checked, forged)
			want = append(want, false)
		}
	}
	if !methods["GET"] || !methods["POST"] {
		t.Errorf("callbacks used %v only", slices.Collect(maps.Keys(methods)))
	}
	return checked, want
}

// parseBools reads a line of true or false for each callback.
func parseBools(text string) (values []bool) {
	for _, line := range strings.Fields(text) {
		values = append(values, line == "true" || line == "True")
	}
	return values
}
