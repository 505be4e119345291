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
)

// methodNotAllowed is the one kind of mistake that only HTTP knows.
const methodNotAllowed roomreel.Code = "method_not_allowed"

// A problem is what one roomreel.Code looks like on the wire.
type problem struct {
	Status  int    // HTTP
	Twilio  int    // a number of Twilio's error dictionary, when the error names none itself
	Meaning string // for docs/errors.md
}

// problems is the single map from what went wrong to what is sent. The empty code is everything that is ours.
//
// Sources: 20003, 20404 and 20429 are seen in stored answers of Twilio's; the others are the entries of its error
// dictionary that carry the HTTP status in their text or number. 20001 is a warning about unknown parameters there, so
// a wrong parameter is 20422.
var problems = map[roomreel.Code]problem{
	roomreel.Invalid:         {http.StatusBadRequest, 20422, "A parameter or a file is wrong. The message begins with the parameter's name; the same request will fail again."},
	roomreel.Unauthenticated: {http.StatusUnauthorized, 20003, "No credentials, or wrong ones. Send an account SID and its auth token, or an API key SID and its secret, by HTTP Basic."},
	roomreel.Forbidden:       {http.StatusForbidden, 20403, "The caller is known and may not do this. Expired and altered media links are answered like this too."},
	roomreel.NotFound:        {http.StatusNotFound, 20404, "There is no such resource, or it belongs to another account, or its media is not there (yet, or any more)."},
	methodNotAllowed:         {http.StatusMethodNotAllowed, 20004, "The resource exists and does not support the HTTP method. The Allow header lists those that it does."},
	roomreel.Conflict:        {http.StatusConflict, 20409, "The resource's state, or a name that is already taken, does not allow it."},
	roomreel.TooLarge:        {http.StatusRequestEntityTooLarge, 20413, "The body or the file is over its limit, which the message names."},
	roomreel.TooMany:         {http.StatusTooManyRequests, 20429, "Over the account's rate limit. Nothing was done; repeat after the seconds in Retry-After."},
	"":                       {http.StatusInternalServerError, 20500, "The fault is the service's. The log has the details under the Twilio-Request-Id of the answer."},
	roomreel.Unavailable:     {http.StatusServiceUnavailable, 20503, "Something that the service needs does not answer. Repeat later."},
}

// problemBody is Twilio's error body.
type problemBody struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
	Status   int    `json:"status"`
}

// describe turns an error into what the caller reads. Only a *roomreel.Error's own words get out.
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
		body.Status = cmp.Or(numbers[e.Twilio].Status, p.Status)
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

// moreInfo is where Twilio explains a number.
func moreInfo(code int) string { return "https://www.twilio.com/docs/errors/" + strconv.Itoa(code) }

// writeProblem is the single writer of errors.
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

// writeJSON sends a body of ours. Everything in it comes from wire shapes, which always encode; a connection that broke
// is nobody's to hear of.
func writeJSON(w http.ResponseWriter, status int, body any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // a page's URL is read by people too, and no HTML page holds this
	if err := encoder.Encode(body); err != nil {
		panic(fmt.Sprintf("api: encode %T: %v", body, err)) // a shape that cannot be encoded is a bug; logged and answered as one
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	w.WriteHeader(status)
	w.Write(text.Bytes())
}

// A number is an entry of Twilio's error dictionary.
type number struct {
	Status  int    // HTTP, where Twilio answers another than the kind's own; 0 for the kind's own
	Meaning string // for docs/errors.md
}

// numbers explains the entries of Twilio's error dictionary that errors of this service carry instead of their kind's
// own number.
var numbers = map[int]number{
	20007: {Meaning: "PageSize is over 1000."},
	53100: {Meaning: "A room's UniqueName is longer than 128 characters, holds control characters, or looks like a SID."},
	53107: {Meaning: "MaxParticipants is out of range."},
	53108: {Meaning: "A room's Type is not one of group, go, peer-to-peer and group-small."},
	53109: {Meaning: "EmptyRoomTimeout or UnusedRoomTimeout is out of range."},
	53110: {Meaning: "A room's StatusCallbackMethod is neither GET nor POST."},
	53111: {Meaning: "A room's StatusCallback is not a URL that can be called."},
	53112: {Meaning: "A room's Status can only be set to completed."},
	53113: {Status: http.StatusBadRequest, Meaning: "A room of this UniqueName is in progress."},
	53118: {Status: http.StatusBadRequest, Meaning: "The room is completed; what was asked needs a room in progress."},
	53120: {Meaning: "The recording rules are not valid; the message says which and why."},
	53123: {Meaning: "MaxParticipantDuration is out of range."},
	53200: {Meaning: "ParticipantIdentity is missing, longer than 128 characters, or holds control characters."},
	53301: {Meaning: "TrackName is longer than 128 characters or holds control characters."},
	53600: {Meaning: "The bucket's URL for recordings is wrong."},
	53601: {Meaning: "The AWS credential for recordings is wrong."},
	53602: {Meaning: "The public key for recordings cannot be used."},
	53603: {Meaning: "A recording could not be processed."},
	53604: {Meaning: "A recording could not be written to its bucket; it is tried again until a deadline."},
	53610: {Meaning: "The bucket's URL in the recording settings is wrong."},
	53611: {Meaning: "The AWS credential in the recording settings is wrong."},
	53612: {Meaning: "The public key in the recording settings cannot be used."},
	53613: {Meaning: "The AWS credential in the recording settings does not exist."},
	53614: {Meaning: "The public key in the recording settings does not exist."},
	53615: {Meaning: "The bucket in the recording settings refuses access."},
	53616: {Meaning: "A recording was given up after its bucket refused it until the deadline."},
	53620: {Meaning: "The bucket's URL in the composition settings is wrong."},
	53621: {Meaning: "The AWS credential in the composition settings is wrong."},
	53622: {Meaning: "The public key in the composition settings cannot be used."},
	53623: {Meaning: "The AWS credential in the composition settings does not exist."},
	53624: {Meaning: "The public key in the composition settings does not exist."},
	53625: {Meaning: "The bucket in the composition settings refuses access."},
	53626: {Meaning: "A composition could not be made; its report has the details."},
	53628: {Meaning: "The room's recordings are deleted, or can no longer be read for composing."},
	53630: {Meaning: "No recording matches the selectors."},
	53631: {Meaning: "A hook could not create a composition."},
	53632: {Meaning: "A composition could not be enqueued."},
	53661: {Meaning: "StatusCallbackMethod is neither GET nor POST."},
	53662: {Meaning: "StatusCallback is not a URL that can be called."},
	53664: {Meaning: "The bucket's URL in the composition settings was wrong when the film was delivered."},
	53665: {Meaning: "The AWS credential in the composition settings was wrong when the film was delivered."},
	53666: {Meaning: "The public key in the composition settings could not be used when the film was sealed."},
	53667: {Meaning: "The AWS credential in the composition settings did not exist when the film was delivered."},
	53668: {Meaning: "The public key in the composition settings did not exist when the film was sealed."},
	53669: {Meaning: "The bucket in the composition settings refused the film."},
}

// Numbers for parameters that Twilio's error dictionary has an entry of its own for.
var (
	roomNumbers = map[string]int{
		"UniqueName": 53100, "MaxParticipants": 53107, "Type": 53108, "EmptyRoomTimeout": 53109, "UnusedRoomTimeout": 53109,
		"StatusCallbackMethod": 53110, "StatusCallback": 53111, "MaxParticipantDuration": 53123,
	}
	filmNumbers   = map[string]int{"StatusCallbackMethod": 53661, "StatusCallback": 53662}
	uploadNumbers = map[string]int{"ParticipantIdentity": 53200, "TrackName": 53301}
)

// numbered gives an error about a parameter the number of that parameter, unless it has one.
func numbered(err error, of map[string]int) error {
	var e *roomreel.Error
	if !errors.As(err, &e) || e.Code != roomreel.Invalid || e.Twilio != 0 || of[e.Param] == 0 {
		return err
	}
	copied := *e
	copied.Twilio = of[e.Param]
	return &copied
}
