package seal

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"roomreel"
)

// Keys with fewer bits are too weak, and keys with more are too slow. Twilio recommends 2048.
const (
	minBits = 2048
	maxBits = 8192
)

// ParsePublicKey reads the key that a customer's media is sealed for: RSA, 2048 to 8192 bits, as PEM of type PUBLIC KEY
// (written by openssl rsa -pubout) or RSA PUBLIC KEY (written by some tools). A text that lost its line breaks or plus signs on the
// way is repaired.
//
// The error is a *roomreel.Error for the parameter PublicKey. The error for a private key does not contain it.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) {
	key, err := parsePublicKey(text)
	if err == nil {
		return key, nil
	}
	for _, repaired := range repairs(text) {
		again, wrong := parsePublicKey(repaired)
		if wrong == nil {
			return again, nil
		}
		if errors.Is(err, errNotPEM) {
			err = wrong
		}
	}
	return nil, err
}

// errNotPEM is the cause of the error for a text in which there is no PEM.
var errNotPEM = errors.New("no PEM block")

// armored matches one PEM block whose line breaks may be missing.
var armored = regexp.MustCompile(`(?s)-----BEGIN ([A-Z ]+)-----(.*)-----END [A-Z ]+-----`)

// repairs returns what a PEM block may have been before it came through an environment variable, which loses line breaks or makes
// "\n" of them, or through a form that was not percent-encoded, which makes spaces of plus signs. Only one of them can hold a key:
// the length of a key is in it.
func repairs(text []byte) [][]byte {
	parts := armored.FindStringSubmatch(string(text))
	if parts == nil || strings.Count(string(text), "-----BEGIN ") > 1 {
		return nil
	}
	kind, body := parts[1], strings.NewReplacer(`\r`, "\n", `\n`, "\n", "\r", "\n").Replace(parts[2])
	block := func(body string) []byte {
		return []byte("-----BEGIN " + kind + "-----\n" + body + "\n-----END " + kind + "-----\n")
	}
	return [][]byte{
		block(strings.Join(strings.Fields(body), "")),
		block(strings.Join(strings.Fields(strings.ReplaceAll(strings.Trim(body, "\n"), " ", "+")), "")),
	}
}

func parsePublicKey(text []byte) (*rsa.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		e := badKey("it is not PEM: it should start with the line -----BEGIN PUBLIC KEY-----, then have lines of base64, and end with the line -----END PUBLIC KEY-----; %s",
			missing(string(text)))
		e.Err = errNotPEM
		return nil, e
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, badKey("it is a private key, which must not leave its owner; make a new pair and send the public key (openssl rsa -in private_key.pem -pubout)")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, badKey("it holds more than one PEM block; send the public key alone")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		return nil, badKey("it is a certificate; send the public key in it (openssl x509 -in certificate.pem -pubkey -noout)")
	default:
		return nil, badKey("a PEM block of type %q is not a public key", block.Type)
	}
	if err != nil {
		return nil, &roomreel.Error{Code: roomreel.Invalid, Param: "PublicKey", Detail: "the key in it cannot be read", Err: err}
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, badKey("it is not an RSA key")
	}
	if bits := public.N.BitLen(); bits < minBits || bits > maxBits {
		return nil, badKey("an RSA key of %d bits cannot be used; it needs %d to %d", bits, minBits, maxBits)
	}
	if public.N.Bit(0) == 0 || public.E < 3 || public.E%2 == 0 {
		return nil, badKey("its modulus or exponent is not that of an RSA key")
	}
	return public, nil
}

// missing says what a text lacks that is no PEM.
func missing(text string) string {
	switch {
	case !strings.Contains(text, "-----BEGIN "):
		return "the first line is missing"
	case !strings.Contains(text, "-----END "):
		return "the last line is missing"
	}
	return "what is between these lines is not base64"
}

func badKey(format string, args ...any) *roomreel.Error {
	return roomreel.InvalidParam("PublicKey", format, args...)
}

// ParsePrivateKey reads the key that opens a seal, as PEM of type PRIVATE KEY or RSA PRIVATE KEY, without a pass phrase.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not PEM: it should start with -----BEGIN PRIVATE KEY-----")
	}
	var key crypto.PrivateKey
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the private key is protected by a pass phrase; remove it first: openssl pkey -in key.pem -out plain.pem")
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a PEM block of type %q is not a private key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is not an RSA key")
	}
	return private, nil
}
