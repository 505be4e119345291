package store

import (
	"context"
	"strconv"

	"roomreel"
)

// Settings returns an account's settings of one kind; before they were ever set, all of them are off.
func (s *Store) Settings(ctx context.Context, acct roomreel.AccountSID, kind roomreel.SettingsKind) (roomreel.Settings, error) {
	v := roomreel.Settings{AccountSID: acct, Kind: kind}
	err := s.read().QueryRow(ctx, `SELECT friendly_name, aws_credentials_sid, aws_s3_url, aws_storage_enabled, encryption_key_sid,
		encryption_enabled FROM settings WHERE account_sid = $1 AND kind = $2`, acct, kind).
		Scan(&v.FriendlyName, &v.AWSCredentialsSID, &v.AWSS3URL, &v.AWSStorageEnabled, &v.EncryptionKeySID, &v.EncryptionKeyEnabled)
	if isNoRow(err) {
		err = nil
	}
	return v, err
}

// SetSettings replaces an account's settings of one kind and writes the change into the audit log.
func (s *Store) SetSettings(ctx context.Context, v roomreel.Settings) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO settings (account_sid, kind, friendly_name, aws_credentials_sid, aws_s3_url,
			aws_storage_enabled, encryption_key_sid, encryption_enabled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (account_sid, kind) DO UPDATE SET friendly_name = excluded.friendly_name,
			aws_credentials_sid = excluded.aws_credentials_sid, aws_s3_url = excluded.aws_s3_url,
			aws_storage_enabled = excluded.aws_storage_enabled, encryption_key_sid = excluded.encryption_key_sid,
			encryption_enabled = excluded.encryption_enabled`,
			v.AccountSID, v.Kind, v.FriendlyName, v.AWSCredentialsSID, v.AWSS3URL, v.AWSStorageEnabled, v.EncryptionKeySID,
			v.EncryptionKeyEnabled); err != nil {
			return err
		}
		return s.audit(ctx, tx, v.AccountSID, "update", string(v.Kind)+" settings", map[string]string{
			"friendly_name":       v.FriendlyName,
			"aws_credentials_sid": string(v.AWSCredentialsSID),
			"aws_s3_url":          v.AWSS3URL,
			"aws_storage_enabled": strconv.FormatBool(v.AWSStorageEnabled),
			"encryption_key_sid":  string(v.EncryptionKeySID),
			"encryption_enabled":  strconv.FormatBool(v.EncryptionKeyEnabled),
		})
	})
}
