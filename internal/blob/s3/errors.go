package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/minio/minio-go/v7"

	"roomreel/internal/blob"
)

// kinds says what the bucket's owner has to correct, by the code in the XML of a store's answer. Other codes may pass.
//
// Source: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
var kinds = map[string]blob.PermanentKind{
	"NoSuchBucket":                       blob.BadURL,
	"InvalidBucketName":                  blob.BadURL,
	"PermanentRedirect":                  blob.BadURL,
	"IncorrectEndpoint":                  blob.BadURL,
	"IllegalLocationConstraintException": blob.BadURL,
	"InvalidRegion":                      blob.BadURL,
	"InvalidURI":                         blob.BadURL,
	"KeyTooLongError":                    blob.BadURL, // only the prefix of a key is chosen by the customer

	"InvalidAccessKeyId":      blob.BadCredential,
	"InvalidAccessKey":        blob.BadCredential,
	"SignatureDoesNotMatch":   blob.BadCredential,
	"InvalidToken":            blob.BadCredential,
	"ExpiredToken":            blob.BadCredential,
	"TokenRefreshRequired":    blob.BadCredential,
	"NotSignedUp":             blob.BadCredential,
	"InvalidClientTokenId":    blob.BadCredential,
	"CredentialsNotSupported": blob.BadCredential,
	"InvalidSecurity":         blob.BadCredential,

	"AccessDenied":                                   blob.AccessDenied,
	"AllAccessDisabled":                              blob.AccessDenied,
	"AccountProblem":                                 blob.AccessDenied,
	"InvalidPayer":                                   blob.AccessDenied,
	"MethodNotAllowed":                               blob.AccessDenied,
	"AccessControlListNotSupported":                  blob.AccessDenied,
	"UnauthorizedAccess":                             blob.AccessDenied,
	"KMS.DisabledException":                          blob.AccessDenied,
	"KMS.NotFoundException":                          blob.AccessDenied,
	"KMS.KMSInvalidStateException":                   blob.AccessDenied,
	"ServerSideEncryptionConfigurationNotFoundError": blob.AccessDenied,
}

// classify says what an error of a store, or of the network, means: absent, permanent, or temporary. When ctx is done, its cause
// is the error.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var already *blob.PermanentError
	if errors.As(err, &already) {
		return err
	}
	if refusedAddress(err) {
		return &blob.PermanentError{Kind: blob.BadURL, Err: errors.New("the address is not one that this server may reach")}
	}
	var lookup *net.DNSError
	if errors.As(err, &lookup) && lookup.IsNotFound {
		return &blob.PermanentError{Kind: blob.BadURL, Err: fmt.Errorf("there is no host %s", lookup.Name)}
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return err
	}
	err = fmt.Errorf("the store answered %d %s: %w", answer.StatusCode, answer.Code, err)
	if kind, ok := kinds[answer.Code]; ok {
		return &blob.PermanentError{Kind: kind, Err: err}
	}
	switch {
	case answer.Code == "NoSuchKey" || answer.Code == "NoSuchUpload":
		return fmt.Errorf("%w: %w", blob.ErrNotExist, err)
	case answer.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("this server's clock differs from the store's by more than 15 minutes: set it (NTP), uploads then go on: %w", err)
	case answer.Code == "AuthorizationHeaderMalformed":
		// It says either that another region was expected, or that the access key cannot be one.
		kind := blob.BadCredential
		if answer.Region != "" || strings.Contains(answer.Message, "region") {
			kind = blob.BadURL
		}
		return &blob.PermanentError{Kind: kind, Err: err}
	case answer.Code == "QuotaExceeded" || answer.Code == "InsufficientStorage" || answer.StatusCode == 507 ||
		answer.Code == "XMinioStorageFull":
		return fmt.Errorf("the store is full: its owner has to make room, uploads then go on: %w", err)
	}
	return err
}
