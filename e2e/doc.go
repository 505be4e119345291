// Package e2e tests the whole program: the two binaries as they are shipped, with rooms of known content.
//
// Package fixture makes these rooms and reads films back. Start with TestCompose_ShowsEveryParticipantInSync.
package e2e
