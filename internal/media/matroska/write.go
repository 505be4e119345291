package matroska

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
)

const (
	// clusterLength is the longest cluster, in ticks of a millisecond. Players fetch whole clusters; relative block
	// times reach 32 s.
	clusterLength = 5000

	// seekPreRoll is how much audio an Opus decoder needs before what it plays is right. Source: RFC 7845, 4.6.
	seekPreRoll = 80 * time.Millisecond

	writerName = "roomreel"
)

// WebM is the muxer of films of VP8 or AV1 video and Opus audio. It writes in one pass, with the cues in front, so that players can
// seek before all of a film has arrived. Memory is for tables only.
//
// Times are rounded to the millisecond, which is what WebM's players expect. The film's duration is exact, and so is the
// end of the audio, by a DiscardPadding. Audio samples that lie past Length as a whole are left out.
type WebM struct{}

var _ media.Muxer = WebM{}

// Write implements media.Muxer.
func (WebM) Write(w io.Writer, tracks []media.OutputTrack) error {
	f, err := planWebM(tracks)
	if err != nil {
		return fmt.Errorf("write webm: %w", err)
	}
	out := bufio.NewWriterSize(w, 256<<10)
	if _, err := out.Write(f.head()); err != nil {
		return fmt.Errorf("write webm: %w", err)
	}
	if err := f.writeClusters(out); err != nil {
		return fmt.Errorf("write webm: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write webm: %w", err)
	}
	return nil
}

// webmWriter is a WebM file before it is written.
type webmWriter struct {
	tracks   []webmTrack
	clusters []cluster
}

type webmTrack struct {
	media.OutputTrack
	discard int64 // ticks at the end of the last sample that are not heard
	first   int64 // PTS of the first sample
}

// cluster is one cluster's place in the file, found before it is written.
type cluster struct {
	time   int64 // milliseconds
	size   int64 // bytes of its body
	blocks int
	cue    int // track number of the keyframe that it begins with; 0: players cannot begin here
}

// block is one sample on its way into a cluster.
type block struct {
	track  int
	sample int
	time   int64 // milliseconds
}

func planWebM(tracks []media.OutputTrack) (*webmWriter, error) {
	if len(tracks) == 0 || len(tracks) > 126 {
		return nil, fmt.Errorf("a film has 1 to 126 tracks, not %d", len(tracks))
	}
	f := &webmWriter{}
	for i, t := range tracks {
		ft, err := planTrack(t)
		if err != nil {
			return nil, fmt.Errorf("track %d: %w", i+1, err)
		}
		f.tracks = append(f.tracks, ft)
	}
	f.planClusters()
	return f, nil
}

func planTrack(t media.OutputTrack) (webmTrack, error) {
	ft := webmTrack{OutputTrack: t}
	switch {
	case t.Codec != "vp8" && t.Codec != "av1" && t.Codec != "opus":
		return ft, fmt.Errorf("WebM films hold vp8, av1 and opus, not %q", t.Codec)
	case len(t.Samples) == 0:
		return ft, errors.New("it has no samples")
	case t.TickNum <= 0 || t.TickDen <= 0:
		return ft, fmt.Errorf("its tick is %d/%d seconds", t.TickNum, t.TickDen)
	case t.Length <= 0 || t.Delay < 0 || t.Start < 0:
		return ft, fmt.Errorf("it lasts %d ticks from tick %d on after a delay of %d", t.Length, t.Start, t.Delay)
	}
	ft.first = int64(t.Samples[0].Shift)
	var total int64
	for i, s := range t.Samples {
		if int64(s.Shift) != ft.first {
			return ft, fmt.Errorf("sample %d is presented out of order, which none of vp8, av1 and opus does", i)
		}
		if s.Size > media.MaxPacketSize-4 {
			return ft, fmt.Errorf("sample %d has %d bytes, more than %d", i, s.Size, media.MaxPacketSize-4)
		}
		total += int64(s.Len)
	}
	if t.Codec == "av1" {
		var err error
		if ft.Private, err = bitstream.AV1Record(t.Private); err != nil {
			return ft, err
		}
	}
	if t.Codec == "opus" {
		ft.discard = total - t.Delay - t.Length
		if ft.discard < 0 {
			return ft, fmt.Errorf("its samples last %d ticks, less than delay %d and length %d", total, t.Delay, t.Length)
		}
		for n := len(ft.Samples); n > 1 && ft.discard >= int64(ft.Samples[n-1].Len); n-- {
			ft.discard -= int64(ft.Samples[n-1].Len)
			ft.Samples = ft.Samples[:n-1]
		}
	}
	return ft, nil
}

// millis converts ticks to milliseconds, rounded.
func (t *webmTrack) millis(ticks int64) int64 {
	return media.Rescale(ticks*t.TickNum, t.TickDen, 1000)
}

// nanos converts ticks to nanoseconds, rounded.
func (t *webmTrack) nanos(ticks int64) int64 {
	return media.Rescale(ticks*t.TickNum, t.TickDen, int64(time.Second))
}

// blocks calls do for every sample of all tracks in the order of their times, video before audio.
func (w *webmWriter) blocks(do func(b block) error) error {
	next := make([]int, len(w.tracks))
	ticks := make([]int64, len(w.tracks))
	for i := range w.tracks {
		ticks[i] = w.tracks[i].Start
	}
	for {
		best := block{track: -1}
		for i := range w.tracks {
			t := &w.tracks[i]
			if next[i] == len(t.Samples) {
				continue
			}
			at := t.millis(ticks[i])
			if best.track < 0 || at < best.time || at == best.time && t.Video() && !w.tracks[best.track].Video() {
				best = block{track: i, sample: next[i], time: at}
			}
		}
		if best.track < 0 {
			return nil
		}
		if err := do(best); err != nil {
			return err
		}
		ticks[best.track] += int64(w.tracks[best.track].Samples[best.sample].Len)
		next[best.track]++
	}
}

// planClusters finds where clusters begin and how large they are.
func (w *webmWriter) planClusters() {
	video := -1
	for i := range w.tracks {
		if w.tracks[i].Video() {
			video = i
			break
		}
	}
	_ = w.blocks(func(b block) error {
		key := b.track == video && w.tracks[b.track].Samples[b.sample].Key
		last := len(w.clusters) - 1
		if last < 0 || key || b.time-w.clusters[last].time >= clusterLength {
			c := cluster{time: b.time, size: int64(len(uintElement(idTimestamp, uint64(b.time))))}
			if key || video < 0 {
				c.cue = b.track + 1
			}
			w.clusters = append(w.clusters, c)
			last++
		}
		c := &w.clusters[last]
		c.blocks++
		c.size += int64(len(w.blockHead(b, c.time))) + int64(w.tracks[b.track].Samples[b.sample].Size) + int64(len(w.blockTail(b)))
		return nil
	})
}

// blockHead returns what comes before a sample's payload.
func (w *webmWriter) blockHead(b block, clusterTime int64) []byte {
	s := w.tracks[b.track].Samples[b.sample]
	body := []byte{0x80 | byte(b.track+1), 0, 0, 0}
	binary.BigEndian.PutUint16(body[1:], uint16(b.time-clusterTime))
	size := int64(len(body)) + int64(s.Size)
	tail := w.blockTail(b)
	if tail == nil {
		if s.Key {
			body[3] = blockKey
		}
		return append(appendSize(appendID(nil, idSimpleBlock), size), body...)
	}
	inner := append(appendSize(appendID(nil, idBlock), size), body...)
	whole := int64(len(inner)) + int64(s.Size) + int64(len(tail))
	return append(appendSize(appendID(nil, idBlockGroup), whole), inner...)
}

// blockTail returns what comes after a sample's payload: how much of the last audio is not heard. A block with a tail is
// a BlockGroup, one without is a SimpleBlock.
func (w *webmWriter) blockTail(b block) []byte {
	t := &w.tracks[b.track]
	if t.discard == 0 || b.sample != len(t.Samples)-1 {
		return nil
	}
	return element(idDiscardPadding, binary.BigEndian.AppendUint64(nil, uint64(t.nanos(t.discard))))
}

// head returns all that comes before the first cluster.
func (w *webmWriter) head() []byte {
	header := element(idEBML,
		uintElement(idEBMLVersion, 1), uintElement(idEBMLReadVersion, 1),
		uintElement(idEBMLMaxIDLength, 4), uintElement(idEBMLMaxSizeLength, 8),
		textElement(idDocType, "webm"), uintElement(idDocTypeVersion, 4), uintElement(idDocTypeReadVersion, 2),
	)
	info, tracks := w.info(), w.trackList()
	// The sizes of the seek head and the cues do not depend on what they say, so they are made twice.
	seek := w.seekHead(0, 0, 0)
	cues := w.cues(0)
	infoAt := int64(len(seek))
	tracksAt := infoAt + int64(len(info))
	cuesAt := tracksAt + int64(len(tracks))
	clustersAt := cuesAt + int64(len(cues))
	seek, cues = w.seekHead(infoAt, tracksAt, cuesAt), w.cues(clustersAt)
	size := clustersAt
	for _, c := range w.clusters {
		size += c.fileSize()
	}
	segment := appendWideSize(appendID(nil, idSegment), size, 8)
	return bytes.Join([][]byte{header, segment, seek, info, tracks, cues}, nil)
}

func (w *webmWriter) seekHead(info, tracks, cues int64) []byte {
	seek := func(id uint32, at int64) []byte {
		return element(idSeek, element(idSeekID, appendID(nil, id)), wideElement(idSeekPosition, uint64(at)))
	}
	return element(idSeekHead, seek(idInfo, info), seek(idTracks, tracks), seek(idCues, cues))
}

func (w *webmWriter) info() []byte {
	var longest float64
	for i := range w.tracks {
		t := &w.tracks[i]
		longest = max(longest, float64((t.Start+t.Length)*t.TickNum*1000)/float64(t.TickDen))
	}
	return element(idInfo,
		uintElement(idTimestampScale, uint64(time.Millisecond)),
		floatElement(idDuration, longest),
		textElement(idMuxingApp, writerName), textElement(idWritingApp, writerName),
	)
}

func (w *webmWriter) trackList() []byte {
	var entries [][]byte
	for i := range w.tracks {
		entries = append(entries, w.tracks[i].entry(uint64(i+1)))
	}
	return element(idTracks, entries...)
}

func (t *webmTrack) entry(number uint64) []byte {
	parts := [][]byte{uintElement(idTrackNumber, number), uintElement(idTrackUID, number), uintElement(idFlagLacing, 0)}
	add := func(p ...[]byte) { parts = append(parts, p...) }
	if t.Video() {
		add(uintElement(idTrackType, 1), textElement(idCodecID, map[string]string{"vp8": "V_VP8", "av1": "V_AV1"}[t.Codec]))
		if t.Codec == "av1" {
			add(element(idCodecPrivate, t.Private))
		}
		if n := t.evenLen(); n > 0 {
			add(uintElement(idDefaultDuration, uint64(t.nanos(n))))
		}
		video := [][]byte{uintElement(idPixelWidth, uint64(t.Width)), uintElement(idPixelHeight, uint64(t.Height))}
		if t.Colour != (media.Colour{}) {
			video = append(video, colour(t.Colour))
		}
		add(element(idVideo, video...))
	} else {
		add(uintElement(idTrackType, 2), textElement(idCodecID, "A_OPUS"), element(idCodecPrivate, t.Private),
			uintElement(idCodecDelay, uint64(t.nanos(t.Delay))), uintElement(idSeekPreRoll, uint64(seekPreRoll)),
			element(idAudio, floatElement(idSamplingFrequency, float64(t.Rate)), uintElement(idChannels, uint64(t.Channels))))
	}
	return element(idTrackEntry, parts...)
}

// colour makes the Colour element that parseColour reads.
func colour(c media.Colour) []byte {
	r := uint64(rangeLimited)
	if c.Full {
		r = rangeFull
	}
	return element(idColour, uintElement(idMatrixCoefficients, uint64(c.Matrix)), uintElement(idRange, r),
		uintElement(idTransferCharacteristics, uint64(c.Transfer)), uintElement(idPrimaries, uint64(c.Primaries)))
}

// evenLen returns how many ticks each sample lasts, or 0 when they differ.
func (t *webmTrack) evenLen() int64 {
	n := t.Samples[0].Len
	for _, s := range t.Samples {
		if s.Len != n {
			return 0
		}
	}
	return int64(n)
}

// cues returns the cues of clusters that begin clustersAt bytes into the segment.
func (w *webmWriter) cues(clustersAt int64) []byte {
	var points [][]byte
	for _, c := range w.clusters {
		if c.cue > 0 {
			points = append(points, element(idCuePoint,
				uintElement(idCueTime, uint64(c.time)),
				element(idCueTrackPositions, uintElement(idCueTrack, uint64(c.cue)), wideElement(idCueClusterPosition, uint64(clustersAt)))))
		}
		clustersAt += c.fileSize()
	}
	return element(idCues, points...)
}

// fileSize returns how many bytes the cluster takes with its header.
func (c cluster) fileSize() int64 { return 4 + sizeLen(c.size) + c.size }

func (w *webmWriter) writeClusters(out *bufio.Writer) error {
	payload, err := openAll(w.tracks)
	if err != nil {
		return err
	}
	defer payload.close()
	at, left := -1, 0
	err = w.blocks(func(b block) error {
		if left == 0 {
			at++
			c := w.clusters[at]
			left = c.blocks
			head := appendSize(appendID(nil, idCluster), c.size)
			if _, err := out.Write(append(head, uintElement(idTimestamp, uint64(c.time))...)); err != nil {
				return err
			}
		}
		left--
		if _, err := out.Write(w.blockHead(b, w.clusters[at].time)); err != nil {
			return err
		}
		if err := payload.copy(out, b.track, int64(w.tracks[b.track].Samples[b.sample].Size)); err != nil {
			return fmt.Errorf("track %d: sample %d: %w", b.track+1, b.sample, err)
		}
		_, err := out.Write(w.blockTail(b))
		return err
	})
	return err
}

// payloads are the open payload readers of all tracks.
type payloads []struct {
	closer io.Closer
	r      *bufio.Reader
}

func openAll(tracks []webmTrack) (payloads, error) {
	p := make(payloads, len(tracks))
	for i := range tracks {
		r, err := tracks[i].Open()
		if err != nil {
			p.close()
			return nil, fmt.Errorf("track %d: open payload: %w", i+1, err)
		}
		p[i].closer, p[i].r = r, bufio.NewReaderSize(r, 64<<10)
	}
	return p, nil
}

func (p payloads) copy(w io.Writer, track int, n int64) error {
	_, err := io.CopyN(w, p[track].r, n)
	if err == io.EOF {
		return fmt.Errorf("its payload ends early: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// close closes what was opened. Payload was only read, so a failure to close loses nothing.
func (p payloads) close() {
	for _, t := range p {
		if t.closer != nil {
			_ = t.closer.Close()
		}
	}
}
