// Package clients tests that Twilio's own client libraries work with a running server. The tests run the files in go, node,
// python and cli; docs/clients.md quotes the same files.
//
// Every client runs the same scenario, from an empty account to deleted films, in an account of its own. Start with
// TestClients_RunTheScenario and go/main.go.
//
// The libraries for PHP, Ruby, Java and C# cannot be installed by the build. What they sent in the scenario is in testdata, and
// TestCaptures_AreServed sends it.
package clients
