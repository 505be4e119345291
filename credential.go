package roomreel

import "time"

// CredentialKind tells apart the two kinds that share the CR prefix.
type CredentialKind string

const (
	AWSCredential CredentialKind = "aws"        // an access key and its secret
	PublicKey     CredentialKind = "public_key" // an RSA public key that seals media
)

// Credential is what a customer gave us to reach a bucket or to seal media. AWS secrets never leave the service.
type Credential struct {
	SID          CredentialSID
	AccountSID   AccountSID
	Kind         CredentialKind
	FriendlyName string // at most 64 characters
	Created      time.Time
	Updated      time.Time
	Secret       []byte // encrypted at rest: "key-id:secret" or the PEM
}

// Account owns rooms, recordings, compositions, hooks, settings and credentials. Accounts never see each other's.
type Account struct {
	SID     AccountSID
	Name    string
	Created time.Time
}

// APIKey is another way to sign in to an account. Its secret is stored as a hash only.
type APIKey struct {
	SID        APIKeySID
	AccountSID AccountSID
	Name       string
	Created    time.Time
}
