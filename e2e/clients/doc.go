// Package clients proves that Twilio's own client libraries work with a booted server, and that docs/clients.md shows
// how: the files in go, node, python and cli are both what the page quotes and what the tests run.
//
// Every client plays the same scenario, from an empty account to deleted films, in an account of its own. Start with
// TestClients_PlayTheScenario; what they play is easiest to read in go/main.go.
package clients
