package objectkey_test

import (
	"path"
	"strings"
	"testing"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/objectkey"
)

func TestKeys_OfOurStoresAreValidAndDifferForEveryAttempt(t *testing.T) {
	account := roomreel.NewSID[roomreel.AccountSID]()
	recording, composition := roomreel.NewSID[roomreel.RecordingSID](), roomreel.NewSID[roomreel.CompositionSID]()
	for name, test := range map[string]struct {
		key    func() string
		prefix string
		ext    string
	}{
		"recording": {func() string { return objectkey.Media(account, recording, "mkv") }, string(account) + "/" + string(recording) + ".", ".mkv"},
		"film":      {func() string { return objectkey.Media(account, composition, "mp4") }, string(account) + "/" + string(composition) + ".", ".mp4"},
		"index":     {func() string { return objectkey.Index(account, recording) }, string(account) + "/" + string(recording) + ".", ".index"},
		"working":   {func() string { return objectkey.NewWorking(account, composition, "film") }, string(account) + "/" + string(composition) + "/film.", ""},
	} {
		seen := map[string]bool{}
		for range 1000 {
			key := test.key()
			if err := blob.CheckKey(key); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if seen[key] {
				t.Fatalf("%s: two attempts have the key %s", name, key)
			}
			seen[key] = true
			if !strings.HasPrefix(key, test.prefix) || test.ext != "" && path.Ext(key) != test.ext {
				t.Fatalf("%s: %s does not begin with %s and end with %s", name, key, test.prefix, test.ext)
			}
		}
	}
}

func TestWorking_IsOneKeyForOneLease(t *testing.T) {
	one, again := objectkey.Working("AC1", "CJ1", "chunk-00007", 2), objectkey.Working("AC1", "CJ1", "chunk-00007", 2)
	if want := "AC1/CJ1/chunk-00007.2"; one != want || again != want {
		t.Errorf("%s and %s, want %s", one, again, want)
	}
	if other := objectkey.Working("AC1", "CJ1", "chunk-00007", 3); other == one {
		t.Errorf("the next lease has the same key %s", other)
	}
}

func TestInBucket_FillsInTheTemplate(t *testing.T) {
	for template, want := range map[string]string{
		"": "AC1/CJ1.mp4", objectkey.DefaultTemplate: "AC1/CJ1.mp4", "films/{sid}/{account}.{ext}": "films/CJ1/AC1.mp4",
	} {
		if got := objectkey.InBucket(template, "AC1", "CJ1", "mp4"); got != want {
			t.Errorf("%q: %s, want %s", template, got, want)
		}
	}
}
