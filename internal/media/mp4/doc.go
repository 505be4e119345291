// Package mp4 writes films of H.264 pictures and AAC sound, and reads enough of a film to trust it before it is published.
//
// Films are laid out for playing while they arrive: moov before mdat, samples interleaved by the second. Edit lists make
// pictures and sound both begin at film time 0 and last exactly as long as they should, whatever reordering and priming
// the encoders have. [Write] streams out in one pass; start there. [ReadInfo] is the second opinion.
//
// Source of all boxes: ISO/IEC 14496-12, and 14496-14 and -15 for AAC and H.264 in them.
package mp4
