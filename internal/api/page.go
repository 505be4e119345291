package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/twilio"
)

const (
	defaultPageSize = 50
	// A PageSize over tooLargePage is refused for every list. Up to it, a size over the list's own maximum is
	// cut to the maximum: the official clients ask for up to 1000 whatever list they read.
	tooLargePage = 1000
)

// A list is one kind of list.
type list struct {
	Key     string   // of the array in the body
	Max     int      // entries a page
	Filters []string // parameters that the URLs of its pages repeat, in the order of the documentation
}

// pageRequest is the page of a list that a request asks for.
type pageRequest struct {
	list
	*params
	account roomreel.AccountSID
	number  int // counted from 0, for the client; the cursor decides where the page begins
	page    app.Page
}

// pageToken is the content of a token. The signature binds it to an account and a list.
type pageToken struct {
	Page   int    `json:"p"`
	Micros int64  `json:"t"`           // creation time of the row beside the page, in microseconds since 1970
	SID    string `json:"s"`           // of that row
	Back   bool   `json:"b,omitempty"` // the page before the row, not the one after it
}

// readPage reads PageSize, Page and PageToken.
func (a *API) readPage(r *http.Request, p *params, l list) pageRequest {
	q := pageRequest{list: l, params: p, account: accountOf(r), page: app.Page{Size: min(defaultPageSize, l.Max)}}
	switch size := int(p.whole("PageSize", 1, 1<<53, fmt.Sprintf("is not a whole number from 1 to %d", l.Max))); {
	case size > tooLargePage && p.err == nil:
		p.err = &roomreel.Error{
			Code: roomreel.Invalid, Twilio: twilio.PageSizeTooLarge, Param: "PageSize",
			Detail: fmt.Sprintf("%d is too large; a page of this list holds at most %d entries", size, l.Max),
		}
	case size >= 1:
		q.page.Size = min(size, l.Max)
	}
	if number := p.integer("Page"); number != nil {
		q.number = *number
	}
	if q.number < 0 {
		p.fail("Page", "%d is not a page; the first is 0", q.number)
	}
	text := p.text("PageToken")
	if text == "" {
		if q.number > 0 {
			p.fail("Page", "page %d cannot be found by its number; follow next_page_url, which carries a PageToken", q.number)
		}
		return q
	}
	var token pageToken
	sealed, prefixed := strings.CutPrefix(text, tokenPrefix)
	payload, err := a.pages.open(sealed, string(q.account), q.Key, r.URL.Path)
	if err == nil {
		err = json.Unmarshal(payload, &token)
	}
	if err != nil || !prefixed {
		p.fail("PageToken", "is damaged or belongs to another list; start again without it")
		return q
	}
	q.number = token.Page
	cursor := &app.Cursor{Created: time.UnixMicro(token.Micros).UTC(), SID: token.SID}
	if token.Back {
		q.page.Before = cursor
	} else {
		q.page.After = cursor
	}
	return q
}

// tokenPrefix begins a page token, as it begins Twilio's.
const tokenPrefix = "PT"

// pageToken signs a token for one list of one account. The signature covers the path too, because the recordings of two rooms are
// two lists.
func (a *API) pageToken(r *http.Request, q pageRequest, token pageToken) string {
	payload, _ := json.Marshal(token) // numbers and a text always encode
	return tokenPrefix + a.pages.sign(payload, string(q.account), q.Key, r.URL.Path)
}

// meta describes a page. Every list has all fields.
type meta struct {
	Page        int     `json:"page"`
	PageSize    int     `json:"page_size"`
	FirstPage   string  `json:"first_page_url"`
	PreviousURL *string `json:"previous_page_url"`
	URL         string  `json:"url"`
	NextURL     *string `json:"next_page_url"`
	Key         string  `json:"key"`
}

// writePage sends one page of a list.
func writePage[T, S any](a *API, w http.ResponseWriter, r *http.Request, q pageRequest, rows app.List[T], shape func(T) S) {
	items := make([]S, len(rows.Items))
	for i, row := range rows.Items {
		items[i] = shape(row)
	}
	m := meta{
		Page: q.number, PageSize: q.page.Size, Key: q.Key,
		FirstPage: a.pageURL(r, q, 0, ""), URL: a.pageURL(r, q, q.number, q.text("PageToken")),
	}
	neighbour := func(c *app.Cursor, number int, back bool) *string {
		if c == nil {
			return nil
		}
		u := a.pageURL(r, q, number, a.pageToken(r, q, pageToken{Page: number, Micros: c.Created.UnixMicro(), SID: c.SID, Back: back}))
		return &u
	}
	m.NextURL = neighbour(rows.Next, q.number+1, false)
	m.PreviousURL = neighbour(rows.Previous, max(0, q.number-1), true)
	writeJSON(w, http.StatusOK, map[string]any{q.Key: items, "meta": m})
}

// pageURL returns the URL of a page, with the filters of the request.
func (a *API) pageURL(r *http.Request, q pageRequest, number int, token string) string {
	var query strings.Builder
	add := func(name, value string) {
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(name + "=" + url.QueryEscape(value))
	}
	for _, name := range q.Filters {
		for _, value := range q.values[name] {
			add(name, value)
		}
	}
	add("PageSize", strconv.Itoa(q.page.Size))
	add("Page", strconv.Itoa(number))
	if token != "" {
		add("PageToken", token)
	}
	return a.origin(r) + r.URL.EscapedPath() + "?" + query.String()
}
