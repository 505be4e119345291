package roomreel

import (
	"errors"
	"fmt"
)

// Code is the kind of an error. Codes are stable.
type Code string

const (
	Invalid         Code = "invalid"         // a parameter or a file is wrong; the same request fails again
	Unauthenticated Code = "unauthenticated" // no credentials, or wrong ones
	Forbidden       Code = "forbidden"       // the caller is known but may not do this
	NotFound        Code = "not_found"       // there is no such resource, or another account owns it
	Conflict        Code = "conflict"        // the state of the resource or a unique name does not allow it
	TooLarge        Code = "too_large"       // a body or a file over its limit
	TooMany         Code = "too_many"        // over a rate limit; try later
	Unavailable     Code = "unavailable"     // a component that this service needs does not answer; try later
)

// Error is the only error whose text is sent to a caller. Any other error is a failure of this service: it is logged in
// full and answered as 500.
type Error struct {
	Code   Code
	Twilio int    // the number of exactly this case in Twilio's error dictionary; 0: the number of Code
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

// InvalidParam returns an Invalid error for the value of a request parameter.
func InvalidParam(param, format string, args ...any) *Error {
	return &Error{Code: Invalid, Param: param, Detail: fmt.Sprintf(format, args...)}
}

// Errorf returns an Error of the given code that names no parameter.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first Error in err's chain. It returns "" when there is none: a failure of this service.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
