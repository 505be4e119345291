package mp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// NAL unit types. Source: ITU-T H.264, table 7-1.
const (
	nalSPS = 7
	nalPPS = 8
	nalAUD = 9
)

// lengthSize is how many bytes say a NAL unit's length in the file.
const lengthSize = 4

// nals calls f for each NAL unit of an Annex B byte stream, without start codes and trailing zeros.
func nals(b []byte, f func(nal []byte) error) error {
	code := []byte{0, 0, 1}
	i := bytes.Index(b, code)
	if i < 0 || len(bytes.Trim(b[:i], "\x00")) > 0 {
		return errors.New("it is not an Annex B byte stream")
	}
	for b = b[i+3:]; ; {
		end := bytes.Index(b, code)
		nal := b
		if end >= 0 {
			nal = b[:end]
		}
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			if err := f(nal); err != nil {
				return err
			}
		}
		if end < 0 {
			return nil
		}
		b = b[end+3:]
	}
}

// avcConfig is a track's parameter sets.
type avcConfig struct{ sps, pps [][]byte }

func parseConfig(private []byte) (avcConfig, error) {
	var c avcConfig
	err := nals(private, func(nal []byte) error {
		switch nal[0] & 0x1f {
		case nalSPS:
			c.sps = append(c.sps, nal)
		case nalPPS:
			c.pps = append(c.pps, nal)
		}
		return nil
	})
	if err == nil && (len(c.sps) == 0 || len(c.sps) > 31 || len(c.sps[0]) < 4 || len(c.pps) == 0 || len(c.pps) > 255) {
		err = errors.New("they hold no usable SPS and PPS")
	}
	if err != nil {
		return c, fmt.Errorf("h264 parameter sets: %w", err)
	}
	return c, nil
}

func (c avcConfig) has(nal []byte) bool {
	for _, set := range append(c.sps[:len(c.sps):len(c.sps)], c.pps...) {
		if bytes.Equal(set, nal) {
			return true
		}
	}
	return false
}

// convert appends an Annex B picture to out as length-prefixed NAL units. Delimiters and parameter sets that the avcC
// repeats are left out; other parameter sets are an error, for a film has one set from beginning to end.
func (c avcConfig) convert(out, picture []byte) ([]byte, error) {
	err := nals(picture, func(nal []byte) error {
		switch nal[0] & 0x1f {
		case nalAUD:
			return nil
		case nalSPS, nalPPS:
			if !c.has(nal) {
				return errors.New("its parameter sets differ from the film's")
			}
			return nil
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(nal)))
		out = append(out, nal...)
		return nil
	})
	return out, err
}

// record returns the AVCDecoderConfigurationRecord. Source: ISO/IEC 14496-15, 5.3.3.1.
func (c avcConfig) record() []byte {
	sps := c.sps[0]
	b := []byte{1, sps[1], sps[2], sps[3], 0xfc | (lengthSize - 1), 0xe0 | byte(len(c.sps))}
	for _, s := range c.sps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	b = append(b, byte(len(c.pps)))
	for _, s := range c.pps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	switch sps[1] {
	case 66, 77, 88:
		return b
	}
	chroma, luma, depth := spsFormat(sps)
	return append(b, 0xfc|chroma, 0xf8|luma, 0xf8|depth, 0)
}

// spsFormat returns chroma_format_idc and the bit depths less 8 of a High profile's sequence parameter set.
func spsFormat(sps []byte) (chroma, luma, depth byte) {
	b := bytes.ReplaceAll(sps[4:], []byte{0, 0, 3}, []byte{0, 0})
	at := 0
	bit := func() int {
		if at>>3 >= len(b) {
			return 1
		}
		v := int(b[at>>3]>>(7-at&7)) & 1
		at++
		return v
	}
	ue := func() byte {
		zeros, v := 0, 0
		for bit() == 0 {
			zeros++
		}
		for range zeros {
			v = v<<1 | bit()
		}
		return byte(1<<zeros - 1 + v)
	}
	ue() // id
	chroma = ue()
	if chroma == 3 {
		bit()
	}
	return chroma & 3, ue() & 7, ue() & 7
}
