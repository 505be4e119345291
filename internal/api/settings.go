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
