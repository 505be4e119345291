// Package mp4 reads MP4 recordings, writes films of H.264 or AV1 video and AAC audio, and reads a film back before it is published.
//
// Reading is tolerant and bounded, as in package matroska: [ReadIndex] takes tables before or after the media, fragments,
// and what is left of a truncated or damaged file. mp4ff decodes the boxes; mediacommon was tried too, and reads neither
// a fragmented file in bounded memory nor tables that follow the media.
//
// Films are laid out for playing while they arrive: moov before mdat, samples interleaved by the second. Edit lists make
// video and audio both begin at film time 0 and last exactly as long as they should, whatever reordering and priming the
// encoders have. [Faststart] streams out in one pass and needs memory for tables only, which no library that was tried
// does. [Fragmented] writes pieces that are HLS segments. [ReadFilm] reads a film back.
//
// Source of all boxes: ISO/IEC 14496-12, and 14496-14 and -15 for AAC and H.264 in them.
package mp4
