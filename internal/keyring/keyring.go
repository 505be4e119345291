// Package keyring keeps small secrets encrypted at rest: account tokens and customers' credentials.
//
// A [Ring] holds one or more 256-bit keys. The newest encrypts and all decrypt, so a key is replaced in three steps: add one
// to the file ([AddKey]) and restart every node, encrypt every row again, remove the old line. Each ciphertext is bound to
// its row: copied into another row, it does not open. Start with [Open].
//
// It is for secrets of a few kilobytes. Package seal encrypts media.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrDamaged means that a ciphertext was altered or belongs to another row, or that its key is not in the ring.
var ErrDamaged = errors.New("keyring: the secret does not open: it is damaged, belongs to another row, or its key is missing from the key file")

// keySize is that of AES-256.
const keySize = 32

// Ring is a set of keys. It does not change, and may be used concurrently.
type Ring struct {
	keys []key // oldest first
}

type key struct {
	secret [keySize]byte
	id     uint32 // first four bytes of its SHA-256; a ciphertext names its key by it
	aead   cipher.AEAD
}

// Parse reads keys in base64, the oldest first, separated by commas or ends of lines. It skips lines that start with #.
func Parse(text string) (*Ring, error) {
	r := &Ring{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for word := range strings.SplitSeq(line, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			raw, err := base64.StdEncoding.DecodeString(word)
			if err != nil || len(raw) != keySize {
				return nil, fmt.Errorf("key %d is not %d bytes in base64", len(r.keys)+1, keySize)
			}
			r.keys = append(r.keys, newKey([keySize]byte(raw)))
		}
	}
	if len(r.keys) == 0 {
		return nil, errors.New("it has no key")
	}
	for i, k := range r.keys {
		if slices.ContainsFunc(r.keys[:i], func(other key) bool { return other.id == k.id }) {
			return nil, errors.New("it has a key twice")
		}
	}
	return r, nil
}

func newKey(secret [keySize]byte) key {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // only for a wrong length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a cipher of another block size
	}
	sum := sha256.Sum256(secret[:])
	return key{secret, binary.BigEndian.Uint32(sum[:]), aead}
}

// Open reads the key file at path. If it does not exist, Open creates it with a new key, readable by its owner only. Of
// several processes that do so at the same time, all use the same key. A new key opens nothing that an earlier one encrypted:
// Open is for an installation that holds no secrets yet, Read for all others.
func Open(path string) (*Ring, error) {
	ring, err := Read(path)
	if !errors.Is(err, os.ErrNotExist) {
		return ring, err
	}
	if err := create(path, header+newLine()); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	return Read(path)
}

// Read reads the key file at path. The error is os.ErrNotExist, wrapped, if there is none.
func Read(path string) (*Ring, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	r, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return r, nil
}

const header = "# Keys of this service's secrets, oldest first. Without them its tokens and credentials are lost: keep a copy.\n"

func newLine() string {
	var raw [keySize]byte
	rand.Read(raw[:]) // never fails, see crypto/rand
	return base64.StdEncoding.EncodeToString(raw[:]) + "\n"
}

// create writes a new file atomically. It fails if the file exists.
func create(path, text string) error {
	temporary, err := write(path, text)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	return os.Link(temporary, path) // unlike a rename, it does not replace a file
}

// write stores text in a new file beside path.
func write(path, text string) (temporary string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // of mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

// AddKey appends a new key to the key file at path, which must exist. Running processes do not use it until a restart.
func AddKey(path string) (*Ring, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	added := strings.TrimRight(string(text), "\n") + "\n" + newLine()
	r, err := Parse(added)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	temporary, err := write(path, added)
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return nil, fmt.Errorf("write key file: %w", err)
	}
	return r, nil
}

func (r *Ring) newest() key { return r.keys[len(r.keys)-1] }

// Seal encrypts a secret for the row that owner names.
//
// The ciphertext is the key's id (4 bytes, big-endian), a random nonce (12 bytes), and AES-256-GCM's output, with owner
// as associated data.
func (r *Ring) Seal(owner string, secret []byte) []byte {
	k := r.newest()
	return k.aead.Seal(binary.BigEndian.AppendUint32(nil, k.id), nil, secret, []byte(owner))
}

// Open decrypts a ciphertext that Seal returned for the same owner. The error is ErrDamaged.
func (r *Ring) Open(owner string, sealed []byte) ([]byte, error) {
	k, has := r.of(sealed)
	if !has {
		return nil, ErrDamaged
	}
	secret, err := k.aead.Open(nil, nil, sealed[4:], []byte(owner))
	if err != nil {
		return nil, ErrDamaged
	}
	return secret, nil
}

// Has reports whether the ring holds the key that encrypted this.
func (r *Ring) Has(sealed []byte) bool {
	_, has := r.of(sealed)
	return has
}

// of returns the key that encrypted this.
func (r *Ring) of(sealed []byte) (key, bool) {
	if len(sealed) < 4 {
		return key{}, false
	}
	i := slices.IndexFunc(r.keys, func(k key) bool { return k.id == binary.BigEndian.Uint32(sealed) })
	if i < 0 {
		return key{}, false
	}
	return r.keys[i], true
}

// Len returns the number of keys.
func (r *Ring) Len() int { return len(r.keys) }

// Current reports whether the newest key encrypted this.
func (r *Ring) Current(sealed []byte) bool {
	return len(sealed) >= 4 && binary.BigEndian.Uint32(sealed) == r.newest().id
}

// Key derives from the newest key a key of 32 bytes for one purpose.
func (r *Ring) Key(purpose string) []byte { return r.newest().derive(purpose) }

// Keys derives such a key from every key of the ring, the newest first, to open what an older key encrypted.
func (r *Ring) Keys(purpose string) [][]byte {
	derived := make([][]byte, len(r.keys))
	for i, k := range r.keys {
		derived[len(r.keys)-1-i] = k.derive(purpose)
	}
	return derived
}

func (k key) derive(purpose string) []byte {
	mac := hmac.New(sha256.New, k.secret[:])
	mac.Write([]byte("roomreel derive " + purpose))
	return mac.Sum(nil)
}

// Sign returns the HMAC-SHA-256 of data under the purpose's key.
func (r *Ring) Sign(purpose string, data []byte) []byte { return r.newest().sign(purpose, data) }

func (k key) sign(purpose string, data []byte) []byte {
	mac := hmac.New(sha256.New, k.derive(purpose))
	mac.Write(data)
	return mac.Sum(nil)
}

// Verify reports whether any of the ring's keys signed data for this purpose.
func (r *Ring) Verify(purpose string, data, mac []byte) bool {
	for _, k := range r.keys {
		if hmac.Equal(k.sign(purpose, data), mac) {
			return true
		}
	}
	return false
}
