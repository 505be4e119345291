// Package matroska reads Matroska and WebM recordings as they come from browsers, media servers and muxers, and writes WebM
// films.
//
// Reading is tolerant: a recording was made once and cannot be made again, so every whole packet that a damaged file still
// holds is found. It is also bounded: one pass, no payload kept, no size claim believed. Start with [ReadIndex]. Writing is
// exact: [WebM] streams out in one pass, with the cues in front.
//
// What a file says about itself beyond its packets (durations, cues, tags, sizes of segments) is never trusted.
package matroska
