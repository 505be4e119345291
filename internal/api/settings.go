package api

import (
	"net/http"

	"roomreel"
	"roomreel/internal/app"
)

func (a *API) fetchRecordingSettings(w http.ResponseWriter, r *http.Request) error {
	return a.fetchSettings(w, r, roomreel.RecordingSettings)
}

func (a *API) updateRecordingSettings(w http.ResponseWriter, r *http.Request) error {
	return a.updateSettings(w, r, roomreel.RecordingSettings)
}

func (a *API) fetchCompositionSettings(w http.ResponseWriter, r *http.Request) error {
	return a.fetchSettings(w, r, roomreel.CompositionSettings)
}

func (a *API) updateCompositionSettings(w http.ResponseWriter, r *http.Request) error {
	return a.updateSettings(w, r, roomreel.CompositionSettings)
}

func (a *API) fetchSettings(w http.ResponseWriter, r *http.Request, kind roomreel.SettingsKind) error {
	settings, err := a.app.Settings(r.Context(), accountOf(r), kind)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, settingsShape(a.origin(r)+r.URL.Path, settings))
	return nil
}

func (a *API) updateSettings(w http.ResponseWriter, r *http.Request, kind roomreel.SettingsKind) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.UpdateSettings{
		FriendlyName:      p.text("FriendlyName"),
		AWSCredentialsSID: p.text("AwsCredentialsSid"),
		AWSS3URL:          p.text("AwsS3Url"),
		AWSStorageEnabled: p.boolean("AwsStorageEnabled"),
		EncryptionKeySID:  p.text("EncryptionKeySid"),
		EncryptionEnabled: p.boolean("EncryptionEnabled"),
	}
	if p.err != nil {
		return p.err
	}
	settings, err := a.app.UpdateSettings(r.Context(), accountOf(r), kind, in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, settingsShape(a.origin(r)+r.URL.Path, settings))
	return nil
}

var credentialList = list{Key: "credentials", Max: 1000}

func (a *API) listAWSCredentials(w http.ResponseWriter, r *http.Request) error {
	return a.listCredentials(w, r, roomreel.AWSCredential)
}

func (a *API) createAWSCredential(w http.ResponseWriter, r *http.Request) error {
	return a.createCredential(w, r, roomreel.AWSCredential)
}

func (a *API) fetchAWSCredential(w http.ResponseWriter, r *http.Request) error {
	return a.fetchCredential(w, r, roomreel.AWSCredential)
}

func (a *API) updateAWSCredential(w http.ResponseWriter, r *http.Request) error {
	return a.updateCredential(w, r, roomreel.AWSCredential)
}

func (a *API) deleteAWSCredential(w http.ResponseWriter, r *http.Request) error {
	return a.deleteCredential(w, r, roomreel.AWSCredential)
}

func (a *API) listPublicKeys(w http.ResponseWriter, r *http.Request) error {
	return a.listCredentials(w, r, roomreel.PublicKey)
}

func (a *API) createPublicKey(w http.ResponseWriter, r *http.Request) error {
	return a.createCredential(w, r, roomreel.PublicKey)
}

func (a *API) fetchPublicKey(w http.ResponseWriter, r *http.Request) error {
	return a.fetchCredential(w, r, roomreel.PublicKey)
}

func (a *API) updatePublicKey(w http.ResponseWriter, r *http.Request) error {
	return a.updateCredential(w, r, roomreel.PublicKey)
}

func (a *API) deletePublicKey(w http.ResponseWriter, r *http.Request) error {
	return a.deleteCredential(w, r, roomreel.PublicKey)
}

func (a *API) listCredentials(w http.ResponseWriter, r *http.Request, kind roomreel.CredentialKind) error {
	p, err := a.query(r)
	if err != nil {
		return err
	}
	q := a.readPage(r, p, credentialList)
	if p.err != nil {
		return p.err
	}
	rows, err := a.app.Credentials(r.Context(), q.account, kind, q.page)
	if err != nil {
		return err
	}
	origin := a.origin(r)
	writePage(a, w, r, q, rows, func(c roomreel.Credential) credentialBody { return credentialShape(origin, c) })
	return nil
}

func (a *API) createCredential(w http.ResponseWriter, r *http.Request, kind roomreel.CredentialKind) error {
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	in := app.CreateCredential{FriendlyName: p.text("FriendlyName"), AccountSID: p.text("AccountSid")}
	if kind == roomreel.PublicKey {
		in.PublicKey = p.text("PublicKey")
	} else {
		in.Credentials = p.text("Credentials")
	}
	credential, err := a.app.CreateCredential(r.Context(), accountOf(r), kind, in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, credentialShape(a.origin(r), credential))
	return nil
}

func (a *API) fetchCredential(w http.ResponseWriter, r *http.Request, kind roomreel.CredentialKind) error {
	sid, err := pathSID[roomreel.CredentialSID](r, "Credential")
	if err != nil {
		return err
	}
	credential, err := a.app.Credential(r.Context(), accountOf(r), kind, sid)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, credentialShape(a.origin(r), credential))
	return nil
}

func (a *API) updateCredential(w http.ResponseWriter, r *http.Request, kind roomreel.CredentialKind) error {
	sid, err := pathSID[roomreel.CredentialSID](r, "Credential")
	if err != nil {
		return err
	}
	p, err := a.form(w, r)
	if err != nil {
		return err
	}
	var name *string // an empty name is set; without the parameter, the name stays
	if len(p.values["FriendlyName"]) > 0 {
		text := p.text("FriendlyName")
		name = &text
	}
	credential, err := a.app.UpdateCredential(r.Context(), accountOf(r), kind, sid, name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, credentialShape(a.origin(r), credential))
	return nil
}

func (a *API) deleteCredential(w http.ResponseWriter, r *http.Request, kind roomreel.CredentialKind) error {
	sid, err := pathSID[roomreel.CredentialSID](r, "Credential")
	if err != nil {
		return err
	}
	if err := a.app.DeleteCredential(r.Context(), accountOf(r), kind, sid); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
