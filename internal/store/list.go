package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// where collects the conditions of a SELECT.
type where struct {
	conditions []string
	args       []any
}

// and adds a condition in which each ? stands for the next of args.
func (w *where) and(condition string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

// in adds the condition that column is one of values; without values there is no condition.
func in[T any](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, value := range values {
		args[i] = value
	}
	w.and(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// created adds the conditions of a time range.
func (w *where) created(c Created) {
	if !c.After.IsZero() {
		w.and("created >= ?", ceilMicros(c.After))
	}
	if !c.Before.IsZero() {
		w.and("created < ?", ceilMicros(c.Before))
	}
}

// ceilMicros rounds up, so that comparing stored microseconds with it is comparing with t.
func ceilMicros(t time.Time) int64 {
	n := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		n++
	}
	return n
}

func (w *where) String() string { return " WHERE " + strings.Join(w.conditions, " AND ") }

// table is what list needs to know of the rows it reads.
type table[T any] struct {
	name    string
	columns string
	created string // the column that orders rows
	id      string // the column that orders rows of the same instant
	scan    func(scanner) (T, error)
	cursor  func(T) Cursor
}

// list reads one page, newest rows first. It takes one row more than asked for to know whether the list goes on, and
// looks once in the other direction.
func list[T any](ctx context.Context, q querier, t table[T], w where, page Page) (List[T], error) {
	var result List[T]
	before, after := "("+t.created+", "+t.id+") > (?, ?)", "("+t.created+", "+t.id+") < (?, ?)"
	backwards := page.Before != nil
	one := where{slices.Clone(w.conditions), slices.Clone(w.args)}
	order := " DESC"
	switch {
	case backwards:
		one.and(before, micros(page.Before.Created), page.Before.SID)
		order = " ASC"
	case page.After != nil:
		one.and(after, micros(page.After.Created), page.After.SID)
	}
	found, err := query(ctx, q, t, one, order, page.Size+1)
	if err != nil || len(found) == 0 {
		return result, err
	}
	more := len(found) > page.Size
	if more {
		found = found[:page.Size]
	}
	if backwards {
		slices.Reverse(found)
	}
	result.Items = found
	first, last := t.cursor(found[0]), t.cursor(found[len(found)-1])
	if backwards {
		result.Next, err = beside(ctx, q, t, w, after, last)
		if more {
			result.Previous = &first
		}
		return result, err
	}
	if more {
		result.Next = &last
	}
	if page.After != nil {
		result.Previous, err = beside(ctx, q, t, w, before, first)
	}
	return result, err
}

// beside returns the cursor when the list holds a row on the given side of it.
func beside[T any](ctx context.Context, q querier, t table[T], w where, side string, c Cursor) (*Cursor, error) {
	other := where{slices.Clone(w.conditions), slices.Clone(w.args)}
	other.and(side, micros(c.Created), c.SID)
	// The order lets the row be found at the near end of the same index; without it a plan may start at the far end.
	order := " DESC"
	if strings.Contains(side, ">") {
		order = " ASC"
	}
	found, err := query(ctx, q, t, other, order, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &c, nil
}

func query[T any](ctx context.Context, q querier, t table[T], w where, order string, limit int) ([]T, error) {
	return collect(ctx, q, t.scan, "SELECT "+t.columns+" FROM "+t.name+w.String()+
		" ORDER BY "+t.created+order+", "+t.id+order+" LIMIT "+strconv.Itoa(limit), w.args...)
}

// collect runs a query and scans all its rows.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	return found, rows.Err()
}

// scanText scans a row of one text column.
func scanText[T ~string](row scanner) (value T, err error) {
	err = row.Scan(&value)
	return value, err
}
