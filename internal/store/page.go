package store

import "time"

// Page asks for one page of a list. Lists run from the newest row to the oldest; rows of the same instant are ordered
// by their SID, descending. Because a page starts beside a row and not at a count, it neither repeats nor skips a row
// when others are added or removed between two requests.
type Page struct {
	Size   int     // rows wanted, at least 1
	After  *Cursor // the page that follows this row; nil for the first page
	Before *Cursor // the page that ends before this row; only one of After and Before may be set
}

// Cursor is a place in a list: just beside the row with this creation time and SID. The row itself may be gone.
type Cursor struct {
	Created time.Time
	SID     string
}

// List is one page of a list.
type List[T any] struct {
	Items    []T
	Next     *Cursor // for Page.After; nil when no row follows
	Previous *Cursor // for Page.Before; nil when no row comes before
}
