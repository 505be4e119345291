package roomreel

// SettingsKind is one of the two kinds of settings that an account has.
type SettingsKind string

const (
	RecordingSettings   SettingsKind = "recording"
	CompositionSettings SettingsKind = "composition"
)

// Settings say where an account's new recordings or compositions are stored, and whether they are encrypted.
type Settings struct {
	AccountSID           AccountSID
	Kind                 SettingsKind
	FriendlyName         string
	AWSCredentialsSID    CredentialSID
	AWSS3URL             string
	AWSStorageEnabled    bool
	EncryptionKeySID     CredentialSID
	EncryptionKeyEnabled bool
}

// Destination returns the destination of recordings or compositions that are made while the settings apply.
func (s Settings) Destination() Destination {
	var d Destination
	if s.AWSStorageEnabled {
		d.CredentialSID, d.S3URL = s.AWSCredentialsSID, s.AWSS3URL
	}
	if s.EncryptionKeyEnabled {
		d.KeySID = s.EncryptionKeySID
	}
	return d
}

// Destination says where one recording or composition is stored. The zero value is the media store, without encryption for
// the customer.
type Destination struct {
	CredentialSID CredentialSID // the bucket's credential; "" for the media store
	S3URL         string        // the customer's bucket and prefix; "" for the media store
	KeySID        CredentialSID // the public key that encrypts it; "" for none
}
