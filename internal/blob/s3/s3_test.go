package s3_test

import (
	"testing"

	"roomreel/internal/blob"
	"roomreel/internal/blob/blobtest"
	"roomreel/internal/blob/s3/s3test"
)

func TestStore_KeepsTheLaw(t *testing.T) {
	server := s3test.Start(t)
	store := s3test.Open(t, server.Config(t, server.Host, "law"))
	blobtest.Run(t, func(t *testing.T) blob.Store { return store })
	if left := server.Unfinished(t); left != nil {
		t.Errorf("unfinished uploads were left: %v", left)
	}
}
