package roomreel

import "time"

// CredentialKind is the kind of a credential. Both kinds have the SID prefix CR.
type CredentialKind string

const (
	AWSCredential CredentialKind = "aws"        // an access key and its secret
	PublicKey     CredentialKind = "public_key" // an RSA public key that encrypts media
)

// Credential is what a customer stored for access to a bucket or for encrypting media. The API never returns AWS secrets.
type Credential struct {
	SID          CredentialSID
	AccountSID   AccountSID
	Kind         CredentialKind
	FriendlyName string // at most 64 characters
	Created      time.Time
	Updated      time.Time
	Secret       []byte // encrypted at rest: "key-id:secret" or the PEM
}

// Account owns rooms, recordings, compositions, hooks, settings and credentials. An account cannot access those of another.
type Account struct {
	SID     AccountSID
	Name    string
	Created time.Time
}

// APIKey is another way to sign in to an account. Only a hash of its secret is stored.
type APIKey struct {
	SID        APIKeySID
	AccountSID AccountSID
	Name       string
	Created    time.Time
}
