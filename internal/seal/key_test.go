package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"roomreel"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParsePublicKey(t *testing.T) {
	spki := func(key any) []byte {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	good := block("PUBLIC KEY", spki(&testKey().PublicKey))
	for name, text := range map[string]string{
		"spki": good, "pkcs1": block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&testKey().PublicKey)),
		"windows_lines": strings.ReplaceAll(good, "\n", "\r\n"), "text_around": "my key:\n" + good + "\n\n",
		"no_line_breaks": strings.ReplaceAll(good, "\n", ""), "spaces": strings.ReplaceAll(good, "\n", " "),
		"spaces_and_quotes": `"` + strings.ReplaceAll(good, "\n", " ") + `"`, "escaped": strings.ReplaceAll(good, "\n", `\n`),
		"escaped_windows": strings.ReplaceAll(good, "\n", `\r\n`), "old_mac_lines": strings.ReplaceAll(good, "\n", "\r"),
		"indented": strings.ReplaceAll(good, "\n", "\n    "), "plus_signs_lost": strings.ReplaceAll(good, "+", " "),
	} {
		key, err := ParsePublicKey([]byte(text))
		if err != nil || !key.Equal(&testKey().PublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}

	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey()))
	for name, c := range map[string]struct{ text, want string }{
		"nothing": {"", "not PEM"}, "words": {"ssh-rsa AAAA", "the first line is missing"},
		"no_end":             {strings.ReplaceAll(good, "-----END PUBLIC KEY-----", ""), "the last line is missing"},
		"no_begin":           {strings.ReplaceAll(good, "-----BEGIN PUBLIC KEY-----", ""), "the first line is missing"},
		"no_base64":          {"-----BEGIN PUBLIC KEY-----!-----END PUBLIC KEY-----", "not base64"},
		"private_one_line":   {strings.ReplaceAll(private, "\n", " "), "private key"},
		"two_on_one_line":    {strings.ReplaceAll(good+good, "\n", ""), "not PEM"},
		"truncated_one_line": {strings.ReplaceAll(good, "\n", "")[:len("-----BEGIN PUBLIC KEY-----")+172] + "-----END PUBLIC KEY-----", "cannot be read"},
		"private":            {private, "private key"},
		"small":              {block("PUBLIC KEY", spki(&small.PublicKey)), "1024 bits"}, "curve": {block("PUBLIC KEY", spki(&curve.PublicKey)), "not an RSA key"},
		"garbage": {block("PUBLIC KEY", []byte("garbage")), "cannot be read"}, "certificate": {block("CERTIFICATE", []byte("x")), "certificate"},
		"two": {good + good, "more than one"}, "other": {block("DH PARAMETERS", []byte("x")), "DH PARAMETERS"},
	} {
		_, err := ParsePublicKey([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || roomreel.CodeOf(err) != roomreel.Invalid {
			t.Errorf("%s: %v; want %q in it", name, err, c.want)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(testKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"pkcs8": block("PRIVATE KEY", pkcs8), "pkcs1": block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey())),
	} {
		if key, err := ParsePrivateKey([]byte(text)); err != nil || !key.Equal(testKey()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing": {"", "not PEM"}, "public": {block("PUBLIC KEY", []byte("x")), "not a private key"},
		"protected": {block("ENCRYPTED PRIVATE KEY", []byte("x")), "pass phrase"}, "garbage": {block("PRIVATE KEY", []byte("x")), "read the private key"},
	} {
		if _, err := ParsePrivateKey([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q in it", name, err, c.want)
		}
	}
}
