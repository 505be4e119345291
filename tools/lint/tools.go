//go:build tools

// Package lint pins gofumpt and staticcheck; scripts/setup.sh builds them into .cache/bin.
package lint

import (
	_ "honnef.co/go/tools/cmd/staticcheck"
	_ "mvdan.cc/gofumpt"
)
