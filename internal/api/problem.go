package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"roomreel"
	"roomreel/internal/twilio"
)

// methodNotAllowed is the kind of error that only HTTP has.
const methodNotAllowed roomreel.Code = "method_not_allowed"

// A problem is the answer to errors of one roomreel.Code.
type problem struct {
	Status  int    // HTTP
	Twilio  int    // number of Twilio's error dictionary, for an error that has none of its own
	Meaning string // for docs/errors.md
}

// problems maps every kind of error to what is sent. The empty code stands for the service's own faults.
var problems = map[roomreel.Code]problem{
	roomreel.Invalid:         {http.StatusBadRequest, twilio.InvalidParameter, "A parameter or a file is wrong. The message begins with the parameter's name; the same request will fail again."},
	roomreel.Unauthenticated: {http.StatusUnauthorized, twilio.Unauthenticated, "No credentials, or wrong ones. Send an account SID and its auth token, or an API key SID and its secret, by HTTP Basic."},
	roomreel.Forbidden:       {http.StatusForbidden, twilio.Forbidden, "The caller is known and may not do this. Expired and altered media links are answered like this too."},
	roomreel.NotFound:        {http.StatusNotFound, twilio.NotFound, "There is no such resource, or it belongs to another account, or its media is not there (yet, or any more)."},
	methodNotAllowed:         {http.StatusMethodNotAllowed, twilio.MethodNotAllowed, "The resource exists and does not support the HTTP method. The Allow header lists those that it does."},
	roomreel.Conflict:        {http.StatusConflict, twilio.Conflict, "The resource's state, or a name that is already taken, does not allow it."},
	roomreel.TooLarge:        {http.StatusRequestEntityTooLarge, twilio.TooLarge, "The body or the file is over its limit, which the message names."},
	roomreel.TooMany:         {http.StatusTooManyRequests, twilio.TooManyRequests, "Over the account's rate limit, or too many sign-ins failed. Nothing was done; repeat after the seconds in Retry-After."},
	"":                       {http.StatusInternalServerError, twilio.Internal, "The fault is the service's. The log has the details under the Twilio-Request-Id of the answer."},
	roomreel.Unavailable:     {http.StatusServiceUnavailable, twilio.Unavailable, "Something that the service needs does not answer. Repeat later."},
}

// problemBody is Twilio's error body.
type problemBody struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`
}

// describe makes the body of an error. Only the Detail of a *roomreel.Error is shown to the caller.
func describe(r *http.Request, err error) problemBody {
	var e *roomreel.Error
	if !errors.As(err, &e) {
		e = &roomreel.Error{Detail: "an internal error has occurred; the request may be repeated, and the log of the service has the details"}
	}
	p, known := problems[e.Code]
	if !known {
		p = problems[""]
	}
	body := problemBody{Code: p.Twilio, Message: e.Detail, Status: p.Status}
	if e.Twilio != 0 {
		body.Code = e.Twilio
		body.Status = cmp.Or(twilio.Errors[e.Twilio].Status, p.Status)
	}
	switch {
	case e.Code == roomreel.NotFound && e.Param == "":
		body.Message = fmt.Sprintf("The requested resource %s was not found", r.URL.Path)
		if e.Detail != "" {
			body.Message += ": " + e.Detail
		}
	case e.Code == methodNotAllowed:
		body.Message = fmt.Sprintf("The requested resource %s does not support the attempted HTTP method %s", r.URL.Path, r.Method)
	case e.Param != "":
		body.Message = e.Param + ": " + e.Detail
	}
	body.MoreInfo = moreInfo(body.Code)
	return body
}

// moreInfo returns the address of Twilio's page about a number.
func moreInfo(code int) string { return "https://www.twilio.com/docs/errors/" + strconv.Itoa(code) }

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	body := describe(r, err)
	switch body.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API", charset="UTF-8"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if w.Header().Get("Retry-After") == "" {
			w.Header().Set("Retry-After", "1")
		}
	}
	writeJSON(w, body.Status, body)
}

// writeJSON sends a JSON body. An error of writing to the connection is ignored, because the client has gone.
func writeJSON(w http.ResponseWriter, status int, body any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // keeps & in the URLs of pages readable
	if err := encoder.Encode(body); err != nil {
		panic(fmt.Sprintf("api: encode %T: %v", body, err)) // a bug: every body can be encoded
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	w.WriteHeader(status)
	w.Write(text.Bytes())
}

// Numbers for parameters that have their own in Twilio's error dictionary.
var (
	roomNumbers = map[string]int{
		"UniqueName": twilio.RoomNameInvalid, "Type": twilio.RoomTypeInvalid, "MaxParticipants": twilio.MaxParticipantsOutOfRange,
		"EmptyRoomTimeout": twilio.TimeoutOutOfRange, "UnusedRoomTimeout": twilio.TimeoutOutOfRange,
		"MaxParticipantDuration": twilio.ParticipantDurationOutOfRange,
		"StatusCallbackMethod":   twilio.RoomCallbackMethodInvalid, "StatusCallback": twilio.RoomCallbackInvalid,
	}
	filmNumbers   = map[string]int{"StatusCallbackMethod": twilio.CallbackMethodInvalid, "StatusCallback": twilio.CallbackInvalid}
	uploadNumbers = map[string]int{"ParticipantIdentity": twilio.IdentityInvalid, "TrackName": twilio.TrackNameInvalid}
)

// numbered sets the number of an error about a parameter, unless the error has one.
func numbered(err error, of map[string]int) error {
	var e *roomreel.Error
	if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Twilio != 0 || of[e.Param] == 0 {
		return err
	}
	copied := *e
	copied.Twilio = of[e.Param]
	return &copied
}
