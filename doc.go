// Package roomreel is the vocabulary of a service that stores the recordings of video rooms and composes them into films.
//
// It holds the types of Twilio Video's recording API (Room, Recording, Composition, Hook, Settings, Credential) and the
// rules that apply to them in every package: identifiers, state machines, error codes. It contains no SQL, no HTTP and no
// codec, and imports only the standard library. Start with [Composition]. ARCHITECTURE.md explains how one is made.
package roomreel
