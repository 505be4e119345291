package store

import (
	"time"

	"roomreel"
)

// Created restricts a list to rows of some time. A zero time does not restrict.
type Created struct {
	After  time.Time // created then or later
	Before time.Time // created earlier
}

// RoomFilter chooses rooms. Zero fields do not restrict.
type RoomFilter struct {
	Status     roomreel.RoomStatus
	UniqueName string
	Created    Created
}

// ParticipantFilter chooses participants of one room. Zero fields do not restrict.
type ParticipantFilter struct {
	Status   string // connected or disconnected
	Identity string
	Created  Created
}

// RecordingFilter chooses recordings. Zero fields do not restrict, except that deleted recordings are left out unless
// Status asks for them.
type RecordingFilter struct {
	Status       roomreel.RecordingStatus
	TrackSID     roomreel.TrackSID
	RoomSIDs     []roomreel.RoomSID        // any of these
	Participants []roomreel.ParticipantSID // and any of these
	Kind         roomreel.TrackKind
	Created      Created
}

// CompositionFilter chooses compositions. Zero fields do not restrict.
type CompositionFilter struct {
	Status  roomreel.CompositionStatus
	RoomSID roomreel.RoomSID
	Created Created
}

// HookFilter chooses hooks. Zero fields do not restrict.
type HookFilter struct {
	Enabled      *bool
	FriendlyName string // regardless of case; * stands for any characters
	Created      Created
}
