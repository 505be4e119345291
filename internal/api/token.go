package api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
)

// keys make and check signatures; the app does, with the service's key file.
type keys interface {
	Sign(purpose string, data []byte) []byte
	Verify(purpose string, data, mac []byte) bool
}

// A signer makes texts that only this service can have made, for one purpose each: a page token is not a media link.
type signer struct {
	keys    keys
	purpose string
}

// errToken is all that a forger learns.
var errToken = errors.New("api: not a token of this service")

// sign wraps payload, bound to the given context: the same context must be given to open it. The text is safe in URLs.
func (s signer) sign(payload []byte, context ...string) string {
	mac := s.keys.Sign(s.purpose, signed(payload, context))
	raw := append([]byte{byte(len(mac))}, mac...)
	return base64.RawURLEncoding.EncodeToString(append(raw, payload...))
}

// open returns the payload of a token that sign made with the same context, or errToken.
func (s signer) open(token string, context ...string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) == 0 || raw[0] == 0 || len(raw) < 1+int(raw[0]) {
		return nil, errToken
	}
	mac, payload := raw[1:1+raw[0]], raw[1+raw[0]:]
	if !s.keys.Verify(s.purpose, signed(payload, context), mac) {
		return nil, errToken
	}
	return payload, nil
}

// signed is what a signature covers: the context and the payload, each behind its length, so that no two contexts spell
// the same bytes.
func signed(payload []byte, context []string) []byte {
	var data []byte
	for _, part := range append(slices.Clone(context), string(payload)) {
		data = binary.BigEndian.AppendUint64(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data
}
