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
