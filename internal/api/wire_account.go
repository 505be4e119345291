package api

import (
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

type settingsBody struct {
	AccountSID        roomreel.AccountSID     `json:"account_sid"`
	FriendlyName      *string                 `json:"friendly_name"`
	AWSCredentialsSID *roomreel.CredentialSID `json:"aws_credentials_sid"`
	AWSS3URL          *string                 `json:"aws_s3_url"`
	AWSStorageEnabled bool                    `json:"aws_storage_enabled"`
	EncryptionKeySID  *roomreel.CredentialSID `json:"encryption_key_sid"`
	EncryptionEnabled bool                    `json:"encryption_enabled"`
	URL               string                  `json:"url"`
}

func settingsShape(url string, s roomreel.Settings) settingsBody {
	return settingsBody{
		AccountSID: s.AccountSID, FriendlyName: orNull(s.FriendlyName),
		AWSCredentialsSID: orNull(s.AWSCredentialsSID), AWSS3URL: orNull(s.AWSS3URL), AWSStorageEnabled: s.AWSStorageEnabled,
		EncryptionKeySID: orNull(s.EncryptionKeySID), EncryptionEnabled: s.EncryptionKeyEnabled, URL: url,
	}
}

// credentialBody is both kinds'. It has no field for a secret.
type credentialBody struct {
	SID          roomreel.CredentialSID `json:"sid"`
	AccountSID   roomreel.AccountSID    `json:"account_sid"`
	FriendlyName string                 `json:"friendly_name"`
	DateCreated  string                 `json:"date_created"`
	DateUpdated  string                 `json:"date_updated"`
	URL          string                 `json:"url"`
}

func credentialShape(origin string, c roomreel.Credential) credentialBody {
	updated := c.Updated
	if updated.IsZero() {
		updated = c.Created
	}
	return credentialBody{
		SID: c.SID, AccountSID: c.AccountSID, FriendlyName: c.FriendlyName,
		DateCreated: instantText(c.Created), DateUpdated: instantText(updated),
		URL: origin + twilio.CredentialURI(c.Kind, c.SID),
	}
}

// deliveryBody is ours: one attempt to call back.
type deliveryBody struct {
	ID             string             `json:"id"`
	EventID        string             `json:"event_id"`
	ResourceSID    string             `json:"resource_sid"`
	SequenceNumber int                `json:"sequence_number"`
	Event          roomreel.EventType `json:"event"`
	URL            string             `json:"url"`
	Method         string             `json:"method"`
	Attempt        int                `json:"attempt"`
	DateStarted    string             `json:"date_started"`
	DurationMillis int64              `json:"duration_millis"`
	Status         *int               `json:"status"` // of the receiver's answer; null when there was none
	Error          *string            `json:"error"`  // null when it was delivered
}

func deliveryShape(d app.Delivery) deliveryBody {
	body := deliveryBody{
		ID: d.ID, EventID: d.EventID, ResourceSID: d.Resource, SequenceNumber: d.Sequence, Event: d.Type,
		URL: d.URL, Method: d.Method, Attempt: d.Attempt,
		DateStarted: d.Started.UTC().Format(time.RFC3339Nano), DurationMillis: d.Duration.Milliseconds(), Error: orNull(d.Error),
	}
	if d.Status != 0 {
		body.Status = &d.Status
	}
	return body
}

// auditBody is ours: one thing that was done in the account.
type auditBody struct {
	ID      string            `json:"id"`
	Date    string            `json:"date"`
	Actor   string            `json:"actor"`   // account or API key that asked; "" for the service's own commands
	Verb    string            `json:"verb"`    // create, update or delete
	Subject string            `json:"subject"` // a SID, or "recording settings" and "composition settings"
	Detail  map[string]string `json:"detail"`  // what settings were set to; null for the rest
}

func auditShape(e app.AuditEntry) auditBody {
	return auditBody{e.ID, e.Created.UTC().Format(time.RFC3339Nano), e.Actor, e.Verb, e.Subject, e.Detail}
}

// failureBody is ours: why something failed, with the number that Twilio's error dictionary has for it.
type failureBody struct {
	Code      int    `json:"code"`
	Operation string `json:"operation"`
	Message   string `json:"message"`
	MoreInfo  string `json:"more_info"`
}

// failureShape is nil for what did not fail.
func failureShape(f roomreel.Failure) *failureBody {
	if f.Code == 0 {
		return nil
	}
	return &failureBody{f.Code, f.Operation, f.Message, moreInfo(f.Code)}
}
