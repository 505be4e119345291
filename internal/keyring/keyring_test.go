package keyring_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"roomreel/internal/keyring"
)

func open(t *testing.T, path string) *keyring.Ring {
	t.Helper()
	r, err := keyring.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpen_MakesAFileForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	sealed := open(t, path).Seal("row", []byte("secret"))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	if secret, err := open(t, path).Open("row", sealed); err != nil || string(secret) != "secret" {
		t.Errorf("after another start: %q, %v", secret, err)
	}
}

func TestOpen_ProcessesThatStartTogetherShareTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	var wg sync.WaitGroup
	var rings [8]*keyring.Ring
	for i := range rings {
		wg.Go(func() { rings[i], _ = keyring.Open(path) })
	}
	wg.Wait()
	for _, r := range rings {
		if r == nil {
			t.Fatal("a process could not start")
		}
		if !bytes.Equal(r.Key("p"), rings[0].Key("p")) {
			t.Error("two processes have different keys")
		}
	}
}

func TestSeal_OpensForItsRowOnly(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "keys"))
	sealed := r.Seal("credential CR1", []byte("secret"))
	if _, err := r.Open("credential CR2", sealed); err != keyring.ErrDamaged {
		t.Errorf("another row: %v", err)
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, err := r.Open("credential CR1", flipped); err != keyring.ErrDamaged {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := r.Open("credential CR1", sealed[:i]); err != keyring.ErrDamaged {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if bytes.Equal(sealed, r.Seal("credential CR1", []byte("secret"))) {
		t.Error("the same secret is sealed to the same bytes")
	}
}

func TestAddKey_OldSecretsStillOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	before := open(t, path)
	sealed, mac := before.Seal("row", []byte("secret")), before.Sign("links", []byte("data"))
	if _, err := keyring.AddKey(path); err != nil {
		t.Fatal(err)
	}
	after := open(t, path)
	if after.Current(sealed) {
		t.Error("a secret of the old key counts as current")
	}
	if secret, err := after.Open("row", sealed); err != nil || string(secret) != "secret" {
		t.Errorf("old secret: %q, %v", secret, err)
	}
	if !after.Verify("links", []byte("data"), mac) || after.Verify("pages", []byte("data"), mac) {
		t.Error("a signature holds for its purpose, under old keys too")
	}
	fresh := after.Seal("row", []byte("secret"))
	if _, err := before.Open("row", fresh); err != keyring.ErrDamaged {
		t.Errorf("without the new key: %v", err)
	}
}

func TestParse_RefusesWhatIsNoKey(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "comment": "# key\n", "short": "AAAA\n", "text": "not base64!\n",
		"twice": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
	} {
		if _, err := keyring.Parse(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParse_FromAFileOrTheEnvironment(t *testing.T) {
	const one, two = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for name, text := range map[string]string{
		"lines": "# keys, oldest first\n" + one + "\n\n" + two, "commas": one + ", " + two, "windows": one + "\r\n" + two + "\r\n",
	} {
		r, err := keyring.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		newest, err := keyring.Parse(two)
		if err != nil {
			t.Fatal(err)
		}
		if !newest.Current(r.Seal("row", nil)) {
			t.Errorf("%s: the last key is not the one that encrypts", name)
		}
	}
}
