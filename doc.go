// Package roomreel is the vocabulary of a service that keeps the recordings of video rooms and composes them into films.
//
// It holds the nouns of Twilio Video's recording API (Room, Recording, Composition, Hook, Settings, Credential), the
// rules that are true of them everywhere (identifiers, state machines, error codes) and nothing else: no SQL, no HTTP,
// no codec. It imports only the standard library. Start with [Composition], then read ARCHITECTURE.md for how one
// comes to be.
package roomreel
