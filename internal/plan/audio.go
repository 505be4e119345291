package plan

import (
	"slices"
	"sort"
	"time"

	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// audioTasks cuts the film's audio into tasks: one, which also encodes, or several that leave samples. One pass over those
// encodes the film's audio: an encoder that began anew at each task would click there. Audio that is copied is one task.
func (p *Plan) audioTasks(tracks []int, indexes Indexes, opts Options, beside func(t int) ([]timeline.Span, error)) ([]AudioTask, error) {
	channels, err := channelsOf(tracks, indexes)
	if err != nil {
		return nil, err
	}
	p.AudioEncoder = audioEncoder(p.Format, channels)
	longest := opts.AudioTask
	if longest == 0 {
		longest = defaultAudioTask
	}
	count := int64(1)
	if each := timeline.Samples(longest); p.Samples > each*3/2 {
		count = (p.Samples + each - 1) / each
	}
	tasks := make([]AudioTask, count)
	for i := range tasks {
		n := int64(i)
		tasks[i] = AudioTask{From: p.Samples * n / count, To: p.Samples * (n + 1) / count, Encoder: p.AudioEncoder}
		if count > 1 {
			tasks[i].Encoder = protocol.Encoder{Codec: protocol.Lossless, Channels: channels}
		}
	}
	for _, t := range tracks {
		x, err := indexes(t)
		if err != nil {
			return nil, err
		}
		track, err := p.placeAudio(t, x, beside)
		if err != nil {
			return nil, err
		}
		if p.AudioCopy = p.copyAudio(track, len(tracks), opts); p.AudioCopy != nil {
			return []AudioTask{{To: p.Samples, Encoder: p.AudioEncoder, Tracks: []AudioTrack{track.AudioTrack}, Copy: p.AudioCopy}}, nil
		}
		for i := range tasks {
			if slice, ok := track.slice(tasks[i].From, tasks[i].To, count > 1); ok {
				tasks[i].Tracks = append(tasks[i].Tracks, slice)
			}
		}
	}
	return tasks, nil
}

// channelsOf returns how many channels the film's audio has: 2, or 1 when all its tracks are mono.
func channelsOf(tracks []int, indexes Indexes) (int, error) {
	for _, t := range tracks {
		x, err := indexes(t)
		if err != nil {
			return 0, err
		}
		if index := x.Track(); !index.Mono {
			return 2, nil
		}
	}
	return 1, nil
}

// placedAudio is a track whose runs lie on the film's time line.
type placedAudio struct {
	AudioTrack
	index   media.Index
	first   []int   // by run, its first packet
	decoded []int64 // by packet, samples decoded before it; one entry more than packets
	bytes   int64   // of all packets
}

// placeAudio finds the runs of a track. Stamps of Opus packets count from before the pre-skip, so every run lies earlier
// than its stamp by CodecDelay. The first run of each part of the recording drops those samples, so that the first sample that is
// heard lies at the stamp. Runs end where parts do.
func (p *Plan) placeAudio(t int, x *media.IndexFile, beside func(t int) ([]timeline.Span, error)) (*placedAudio, error) {
	summary, index := &p.Tracks[t], x.Track()
	track := &placedAudio{index: index, AudioTrack: AudioTrack{
		Track: t, Recording: summary.Recording, Shift: summary.Start, End: x.Count(),
	}}
	track.Media, track.Parts = describe(index, 0, x.Count())
	packets := make([]timeline.AudioPacket, 0, x.Count())
	track.decoded = make([]int64, 1, x.Count()+1)
	var sizes []int           // of packets, in bytes; of a recording that lacks time only
	var elapsed time.Duration // added up before it is rounded: an AAC packet at 44.1 kHz lasts 1114.56 samples
	for packet, err := range x.Packets(0, x.Count()) {
		if err != nil {
			return nil, err
		}
		packets = append(packets, timeline.AudioPacket{Time: packet.Time, Duration: packet.Duration})
		if summary.Ending == timeline.EndsLate {
			sizes = append(sizes, packet.Size)
		}
		track.bytes += int64(packet.Size)
		elapsed += max(packet.Duration, 0)
		track.decoded = append(track.decoded, timeline.Samples(elapsed))
	}
	if summary.Ending == timeline.EndsLate {
		gaps, err := beside(t)
		if err != nil {
			return nil, err
		}
		if stall, ok := timeline.FindStall(packets, sizes, summary.KnownLater, gaps); ok {
			summary.Stall = stall.Evidence
			summary.Clock.StallAt, summary.Clock.Stall = packets[stall.Packet].Time, summary.KnownLater
		}
	}
	track.Clock = summary.Clock
	for i := range packets {
		packets[i].Time = track.Clock.In(packets[i].Time)
	}
	summary.Gaps = &Gaps{}
	end := int64(0) // of the run before
	start := timeline.Samples(summary.Start)
	for part, packet := range index.Ranges(x.Count()) {
		skip := timeline.Samples(index.Headers(part).CodecDelay)
		for i, run := range timeline.Runs(packets[packet[0]:packet[1]]) {
			at := timeline.Samples(run.At)
			if part+i > 0 && at > end {
				summary.Gaps.add(summary.Start+timeline.SampleTime(end), timeline.SampleTime(at-end))
			}
			end = max(end, at+run.Length)
			r := protocol.Run{
				At:      start + at - skip,
				Packets: run.Packets,
				Decoded: run.Decoded,
				Length:  run.Length,
			}
			if i == 0 {
				r.At += skip
				r.Skip = int(skip)
				r.Decoded = max(r.Decoded-skip, 0)
				r.Length = max(r.Length-skip, 0)
			}
			if (r.Decoded == 0) != (r.Length == 0) {
				r.Decoded, r.Length = 0, 0
			}
			summary.Drift += time.Duration(run.Length-run.Decoded) * time.Second / timeline.SampleRate
			summary.DriftRefused = summary.DriftRefused || run.Refused
			if part > 0 && i == 0 {
				track.endBefore(r.At)
			}
			track.Runs = append(track.Runs, r)
			track.first = append(track.first, packet[0]+run.First)
		}
	}
	return track, nil
}

// endBefore shortens the runs so far to what lies before output sample at, where the next part begins: what is beyond is the padding
// of an encoder.
func (t *placedAudio) endBefore(at int64) {
	for i := len(t.Runs) - 1; i >= 0; i-- {
		r := &t.Runs[i]
		beyond := r.At + r.Length - at
		if beyond <= 0 {
			return
		}
		decoded := r.Decoded
		if r.Length > 0 {
			decoded = int64(float64(r.Decoded) * (float64(r.Length-beyond) / float64(r.Length)))
		}
		if r.Length, r.Decoded = r.Length-beyond, decoded; r.Length <= 0 || r.Decoded <= 0 {
			r.Length, r.Decoded, r.At = 0, 0, min(r.At, at)
		}
	}
}

// slice returns the part of the track that is audible in the samples [from, to), and whether there is one. The whole track
// is its own slice when the film's audio is one task.
func (t *placedAudio) slice(from, to int64, several bool) (AudioTrack, bool) {
	if !several {
		return t.AudioTrack, true
	}
	slice := t.AudioTrack
	slice.Runs = nil
	// Runs neither overlap nor go back, so those that are audible lie together.
	i := sort.Search(len(t.Runs), func(i int) bool { return t.Runs[i].At+t.Runs[i].Length > from })
	j := sort.Search(len(t.Runs), func(i int) bool { return t.Runs[i].At >= to })
	if i >= j {
		return slice, false
	}
	const margin = 2 * protocol.AudioMargin // positions are rounded
	first := t.packetAt(i, t.position(i, from)-margin)
	slice.Start = first
	begin := 0 // of the part: decoders remember nothing of what is before
	if n := PartOf(t.Parts, first); n > 0 {
		begin = t.Parts[n-1]
	}
	for slice.Start > begin && t.decoded[first]-t.decoded[slice.Start] < protocol.AudioPreroll {
		slice.Start--
	}
	slice.End = t.packetAt(j-1, t.position(j-1, to)+margin) + 1
	slice.Media, slice.Parts = describe(t.index, slice.Start, slice.End)
	for k := sort.SearchInts(t.first, slice.Start+1) - 1; k < j; k++ {
		slice.Runs = append(slice.Runs, t.cut(k, slice.Start, slice.End))
	}
	return slice, true
}

// position returns how many samples of run i, after its skip, are decoded before output sample at.
func (t *placedAudio) position(i int, at int64) int64 {
	r := t.Runs[i]
	if r.Length == 0 {
		return 0
	}
	at = min(max(at-r.At, 0), r.Length)
	return int64(float64(at) * (float64(r.Decoded) / float64(r.Length)))
}

// packetAt returns the packet of run i that holds the given decoded sample, counted after the run's skip; its first or
// last packet when the sample lies before or after it.
func (t *placedAudio) packetAt(i int, position int64) int {
	first, last := t.first[i], t.first[i]+t.Runs[i].Packets-1
	position += t.decoded[first] + int64(t.Runs[i].Skip)
	n := sort.Search(last-first, func(n int) bool { return t.decoded[first+n+1] > position })
	return first + n
}

// cut returns the part of run k that its packets in [start, end) make.
func (t *placedAudio) cut(k, start, end int) protocol.Run {
	run, first := t.Runs[k], t.first[k]
	last := min(first+run.Packets, end)
	if start >= first {
		begin := start
		if t.Media.Codec == "vorbis" && begin < last { // a decoder makes nothing of the packet that it begins with
			begin++
		}
		run.Start = t.decoded[begin] - t.decoded[first]
	}
	run.Packets = last - max(first, start)
	return run
}

// PartRuns returns the runs of the track, each with its part.
func (t AudioTrack) PartRuns() []protocol.Run {
	list := slices.Clone(t.Runs)
	packet := t.Start
	for i := range list {
		list[i].Part = PartOf(t.Parts, packet)
		packet += list[i].Packets
	}
	return list
}
