package compose

import (
	"time"

	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// voice places the sound of track t. Matroska stamps of Opus packets count from before the pre-skip, so every run lies
// earlier than its stamp by CodecDelay, and the first run drops those samples: the first heard one is at the offset.
func (p *Plan) voice(t int) Voice {
	track := p.Tracks[t]
	index := track.Index
	heard := make([]timeline.AudioPacket, len(index.Packets))
	for i, packet := range index.Packets {
		heard[i] = timeline.AudioPacket{Time: packet.Time, Duration: packet.Duration}
	}
	start, skip := timeline.Samples(track.Shift), timeline.Samples(index.CodecDelay)
	v := Voice{Track: t}
	for i, run := range timeline.Runs(heard) {
		r := protocol.Run{
			At:      start + timeline.Samples(run.At) - skip,
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
		v.Drift += time.Duration(run.Length-run.Decoded) * time.Second / timeline.SampleRate
		v.Refused = v.Refused || run.Refused
		v.Runs = append(v.Runs, r)
	}
	return v
}

// soundPlan is what the sound child is asked for, leaving out the tracks in lost.
func (p *Plan) soundPlan(voices []Voice) *protocol.AudioPlan {
	plan := &protocol.AudioPlan{To: p.Samples, Encoder: p.sound}
	for _, v := range voices {
		plan.Tracks = append(plan.Tracks, p.renderTrack(v.Track))
		plan.Runs = append(plan.Runs, v.Runs)
	}
	return plan
}

// renderTrack describes track t to a child.
func (p *Plan) renderTrack(t int) protocol.Track {
	x := p.Tracks[t].Index
	return protocol.Track{
		Codec: x.Codec, Private: x.Private, Channels: x.Channels, Rate: x.Rate, MaxW: x.Width, MaxH: x.Height,
	}
}
