package mp4

import mp4ff "github.com/Eyevinn/mp4ff/mp4"

// sample is one packet as the tables or a fragment describe it.
type sample struct {
	decode int64 // units of the track's scale
	shift  int64 // from decoding to presentation; may be negative
	length uint32
	pos    int64
	size   uint32
	key    bool

	description uint32 // number among the track's, from 1
}

func (s sample) shown() int64 { return s.decode + s.shift }

// tables are the sample tables of a track that is not in fragments.
type tables struct {
	sizes   *mp4ff.StszBox
	times   *mp4ff.SttsBox
	shifts  *mp4ff.CttsBox
	chunks  *mp4ff.StscBox
	offsets *mp4ff.StcoBox
	wide    *mp4ff.Co64Box
	keys    *mp4ff.StssBox
	allKeys bool
	origin  int64 // position from which the offsets count
}

// tables reads the sample tables of a track. The error is errBox when one is damaged.
func (s *source) tables(t *track) (b tables, err error) {
	if b.sizes, err = decode[mp4ff.StszBox](s, t.boxes["stsz"], mp4ff.DecodeStszSR); err != nil {
		return b, err
	}
	if b.times, err = decode[mp4ff.SttsBox](s, t.boxes["stts"], mp4ff.DecodeSttsSR); err != nil {
		return b, err
	}
	if b.shifts, err = decode[mp4ff.CttsBox](s, t.boxes["ctts"], mp4ff.DecodeCttsSR); err != nil {
		return b, err
	}
	if b.chunks, err = decode[mp4ff.StscBox](s, t.boxes["stsc"], mp4ff.DecodeStscSR); err != nil {
		return b, err
	}
	if b.offsets, err = decode[mp4ff.StcoBox](s, t.boxes["stco"], mp4ff.DecodeStcoSR); err != nil {
		return b, err
	}
	if b.wide, err = decode[mp4ff.Co64Box](s, t.boxes["co64"], mp4ff.DecodeCo64SR); err != nil {
		return b, err
	}
	if b.keys, err = decode[mp4ff.StssBox](s, t.boxes["stss"], mp4ff.DecodeStssSR); err != nil {
		return b, err
	}
	b.allKeys = t.boxes["stss"].kind == ""
	return b, nil
}

func (b *tables) chunkCount() int { return len(b.offsets.ChunkOffset) + len(b.wide.ChunkOffset) }

func (b *tables) offset(chunk int) int64 {
	if n := len(b.offsets.ChunkOffset); chunk < n {
		return int64(b.offsets.ChunkOffset[chunk])
	} else {
		return int64(min(b.wide.ChunkOffset[chunk-n], uint64(maxUnits)))
	}
}

// each calls do for every sample in decoding order, until do returns false. Where tables end early, the last duration goes
// on, samples are shown when they are decoded, and none is a keyframe. It reports whether every sample has a place.
func (b *tables) each(do func(i int, s sample) bool) bool {
	var (
		now                  sample
		timed, timeLeft      uint32
		shifted, key, runsAt int
		perChunk             uint32
		i                    uint32
	)
	for chunk := range b.chunkCount() {
		for runsAt < len(b.chunks.Entries) && b.chunks.Entries[runsAt].FirstChunk <= uint32(chunk+1) {
			perChunk = b.chunks.Entries[runsAt].SamplesPerChunk
			now.description = b.chunks.GetSampleDescriptionID(runsAt + 1)
			runsAt++
		}
		at := b.origin + b.offset(chunk)
		for n := uint32(0); n < perChunk && i < b.sizes.SampleNumber; n++ {
			for timeLeft == 0 && int(timed) < len(b.times.SampleCount) {
				timeLeft, now.length = b.times.SampleCount[timed], b.times.SampleTimeDelta[timed]
				timed++
			}
			if timeLeft > 0 {
				timeLeft--
			}
			for shifted < len(b.shifts.SampleOffset) && b.shifts.EndSampleNr[shifted+1] <= i {
				shifted++
			}
			now.shift = 0
			if shifted < len(b.shifts.SampleOffset) {
				now.shift = int64(b.shifts.SampleOffset[shifted])
			}
			for key < len(b.keys.SampleNumber) && b.keys.SampleNumber[key] <= i {
				key++
			}
			now.key = b.allKeys || key < len(b.keys.SampleNumber) && b.keys.SampleNumber[key] == i+1
			now.size = b.sizes.SampleUniformSize
			if now.size == 0 {
				now.size = b.sizes.SampleSize[i]
			}
			now.pos = at
			if !do(int(i), now) {
				return true
			}
			at += int64(now.size)
			now.decode += int64(now.length)
			i++
		}
	}
	return i == b.sizes.SampleNumber
}

// first returns the first sample that is needed for what the track's edit shows: the keyframe before it, or a little audio.
// An edit that shows nothing of the media is not believed.
func (b *tables) first(t *track) int {
	first, begin := 0, t.shown
	if !t.index.Video {
		begin -= int64(t.scale) / 5 // Opus needs 80 ms, AAC two packets before what a decoder plays is right
	}
	believed := false
	b.each(func(i int, s sample) bool {
		// Video without a table of keyframes is all keyframes, or of a careless recorder.
		if s.shown() <= begin && s.key && !(t.index.Video && b.allKeys) {
			first = i
		}
		believed = believed || s.shown()+int64(s.length) > t.shown
		return !believed || s.decode <= t.shown
	})
	if !believed {
		t.edited, first = false, 0
	}
	return first
}
