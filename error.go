package roomreel

import (
	"errors"
	"fmt"
)

// Code says what kind of thing went wrong, in a word that is stable and the same everywhere.
type Code string

const (
	Invalid         Code = "invalid"         // a parameter or a file is wrong; the same request fails again
	Unauthenticated Code = "unauthenticated" // no credentials, or wrong ones
	Forbidden       Code = "forbidden"       // the caller is known and may not do this
	NotFound        Code = "not_found"       // no such resource, or another account's
	Conflict        Code = "conflict"        // the resource's state or a unique name does not allow it
	TooLarge        Code = "too_large"       // a body or a file over its limit
	TooMany         Code = "too_many"        // over a rate limit; try later
	Unavailable     Code = "unavailable"     // something this service needs does not answer; try later
)

// Error is the only error whose text reaches a caller. Anything else is ours: logged whole, answered as 500.
type Error struct {
	Code   Code
	Twilio int    // a number of Twilio's error dictionary where one names this case exactly; 0: the Code's own number
	Param  string // the request parameter at fault, if one is
	Detail string // one sentence to the API caller; no paths, SQL or stderr
	Err    error  // the cause: for errors.Is and the log, never for the response
}

func (e *Error) Error() string {
	text := string(e.Code) + ": "
	if e.Param != "" {
		text += e.Param + ": "
	}
	text += e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// InvalidParam reports a request parameter whose value cannot be used.
func InvalidParam(param, format string, args ...any) *Error {
	return &Error{Code: Invalid, Param: param, Detail: fmt.Sprintf(format, args...)}
}

// Errorf makes an Error of the given code for which no single parameter is to blame.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first Error in err's chain, or "" when there is none (the fault is ours).
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
