package api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"
)

// hmacKeys signs as the app does, with a key of the test.
type hmacKeys string

func (k hmacKeys) Sign(purpose string, data []byte) []byte {
	mac := hmac.New(sha256.New, []byte(string(k)+purpose))
	mac.Write(data)
	return mac.Sum(nil)
}

func (k hmacKeys) Verify(purpose string, data, mac []byte) bool {
	return hmac.Equal(k.Sign(purpose, data), mac)
}

func TestSigner_OpensOnlyWhatItMadeForThePurposeAndContext(t *testing.T) {
	s := signer{keys: hmacKeys("key"), purpose: "page token"}
	token := s.sign([]byte("payload"), "account", "list")
	if got, err := s.open(token, "account", "list"); err != nil || string(got) != "payload" {
		t.Fatalf("got %q, %v", got, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"other_key":     func() ([]byte, error) { return signer{hmacKeys("k"), "page token"}.open(token, "account", "list") },
		"other_purpose": func() ([]byte, error) { return signer{hmacKeys("key"), "media link"}.open(token, "account", "list") },
		"other_account": func() ([]byte, error) { return s.open(token, "accounts", "list") },
		"moved_border":  func() ([]byte, error) { return s.open(token, "accountl", "ist") },
		"no_context":    func() ([]byte, error) { return s.open(token) },
		"empty":         func() ([]byte, error) { return s.open("", "account", "list") },
		"no_mac": func() ([]byte, error) {
			return s.open(base64.RawURLEncoding.EncodeToString([]byte{0, 'x'}), "account", "list")
		},
		"cut": func() ([]byte, error) { return s.open(token[:20], "account", "list") },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := open(); err == nil {
				t.Errorf("opened: %q", got)
			}
		})
	}
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for i := range raw {
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1
		if _, err := s.open(base64.RawURLEncoding.EncodeToString(damaged), "account", "list"); err == nil {
			t.Errorf("byte %d of the token may be changed", i)
		}
	}
}

// FuzzSigner holds tokens to: a round trip gives the payload back, and nothing that was not signed opens.
func FuzzSigner(f *testing.F) {
	f.Add("", []byte(nil), "")
	f.Add("AQ", []byte(`{"p":1}`), "AC")
	f.Fuzz(func(t *testing.T, stray string, payload []byte, context string) {
		s := signer{keys: hmacKeys("key"), purpose: "page token"}
		token := s.sign(payload, context)
		if got, err := s.open(token, context); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("round trip of %q gave %q, %v", payload, got, err)
		}
		if stray != token {
			if got, err := s.open(stray, context); err == nil {
				t.Fatalf("%q opened as %q", stray, got)
			}
		}
	})
}
