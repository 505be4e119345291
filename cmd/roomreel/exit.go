package main

import (
	"context"
	"errors"
	"strings"

	"roomreel"
	"roomreel/internal/store"
)

// exitCodes is the table that `roomreel --help` prints; docs/operating/commands.md repeats it.
const exitCodes = "Exit codes: 0 done, 1 failed, 2 the request or a file in it is wrong, " +
	"3 done in part, 10 the database could not be migrated, 130 interrupted."

const (
	codeDone        = 0
	codeFailed      = 1
	codeUsage       = 2
	codePartial     = 3
	codeNotMigrated = 10
	codeInterrupted = 130
)

// usageError is a mistake in flags, configuration or files: the same command fails again.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errPartial marks a result that exists but is incomplete. Standard error says what is missing.
var errPartial = errors.New("done in part")

// exitCode maps an error to the table above.
func exitCode(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return codeDone
	case ctx.Err() != nil:
		return codeInterrupted
	case errors.Is(err, errPartial):
		return codePartial
	case errors.Is(err, store.ErrNotMigrated), errors.Is(err, store.ErrNewer):
		return codeNotMigrated
	case errors.As(err, &usage):
		return codeUsage
	}
	switch roomreel.CodeOf(err) {
	case "", roomreel.TooMany, roomreel.Unavailable:
		return codeFailed
	}
	return codeUsage
}

// message describes an error, with a line for each mistake.
func message(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "roomreel: interrupted\n"
	}
	var text strings.Builder
	for _, single := range split(err) {
		text.WriteString("roomreel: " + sentence(single) + "\n")
	}
	return text.String()
}

// split separates joined errors at every depth. An error whose text is more than its parts stays whole.
func split(err error) []error {
	if usage, ok := err.(usageError); ok {
		err = usage.error
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() {
		return []error{err}
	}
	var parts []error
	for _, part := range joined.Unwrap() {
		parts = append(parts, split(part)...)
	}
	return parts
}

// sentence leaves out the code of a caller's mistake: the exit code carries it.
func sentence(err error) string {
	caller, ok := err.(*roomreel.Error)
	if !ok {
		return err.Error()
	}
	text := caller.Detail
	if caller.Param != "" {
		text = caller.Param + ": " + text
	}
	switch cause := caller.Err.(type) {
	case nil:
	case *roomreel.Error:
		text += ": " + cause.Detail
	default:
		text += ": " + cause.Error()
	}
	return text
}
