//go:build tools

// Package s3server pins the S3 server that the tests run against, apart from the service's own dependencies.
package s3server

import _ "github.com/versity/versitygw/cmd/versitygw"
