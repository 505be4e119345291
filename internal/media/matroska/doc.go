// Package matroska reads recordings as they come from browsers, media servers and muxers, and writes WebM films.
//
// Reading is tolerant: a recording was made once and cannot be made again, so whatever whole packets a damaged file
// still holds are found. It is also bounded: one pass, no payload kept, no size claim believed. [ReadIndex] makes the
// packet index, [PacketReader] fetches packets by it. Writing is exact: [WriteWebM] streams out in one pass, with the
// cues in front.
//
// What a file says about itself beyond its packets (durations, cues, tags, sizes of segments) is never trusted.
package matroska
