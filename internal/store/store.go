// Package store keeps every row of the service in SQLite or PostgreSQL.
package store

// Store is an open database.
type Store struct{}
