package roomreel

// SettingsKind tells the two settings of an account apart.
type SettingsKind string

const (
	RecordingSettings   SettingsKind = "recording"
	CompositionSettings SettingsKind = "composition"
)

// Settings say where an account's new recordings or compositions go, and whether they are sealed.
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

// Destination returns where the settings send what is made under them.
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

// Destination says where one recording or composition goes. The zero value: into the vault as it is.
type Destination struct {
	CredentialSID CredentialSID // opens the bucket; "" when the vault keeps it
	S3URL         string        // the customer's bucket and prefix; "" when the vault keeps it
	KeySID        CredentialSID // the public key that seals it; "" for plain bytes
}
