// Package clients tests that Twilio's own client libraries work with a running server. The tests run the files in go, node,
// python and cli; docs/clients.md quotes the same files.
//
// Every client runs the same scenario, from an empty account to deleted films, in an account of its own. Start with
// TestClients_RunTheScenario and go/main.go.
package clients
