// Package api speaks Twilio's wire over the app: paths, sign-in, forms, pages, JSON shapes and error bodies.
//
// It holds no rules. A handler reads a request into types, calls one method of the app and shapes the answer; what may
// be done, and when, is the app's to say. What Twilio has no word for lives under /roomreel/v1. Start with routes.go,
// which lists every path in the order of Twilio's documentation; problem.go is the only place that chooses a status for
// an error, wire*.go the only place that knows a JSON field, and docs/divergences.md says where Twilio's documentation
// is silent and what was chosen.
package api
