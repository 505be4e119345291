package mp4

import "encoding/binary"

// rows checks a table box, whose count must fit its rows of the given number of 32-bit columns, and returns the rows.
func rows(b []byte, kind string, columns int) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	if len(b) < 8 || uint64(binary.BigEndian.Uint32(b[4:]))*uint64(columns)*4 != uint64(len(b)-8) {
		return nil, damaged("table %s has not as many rows as it says", kind)
	}
	return b[8:], nil
}

func column(row []byte, i int) uint32 { return binary.BigEndian.Uint32(row[4*i:]) }

// samples reads the sample tables and follows them through the file.
func (t *TrackInfo) samples(b children, scale uint64, payload []span) error {
	stsz := b.first("stsz")
	if len(stsz) < 12 {
		return damaged("it has no sample sizes")
	}
	count := uint64(binary.BigEndian.Uint32(stsz[8:]))
	even := int64(binary.BigEndian.Uint32(stsz[4:]))
	sizes := stsz[12:]
	if even == 0 && uint64(len(sizes)) != count*4 {
		return damaged("table stsz has not as many rows as it says")
	}
	var room int64
	for _, s := range payload {
		room += s.to - s.from
	}
	if even > 0 && count > uint64(room/even) {
		return damaged("%d samples of %d bytes do not fit into the payload", count, even)
	}
	t.Samples = int(count)

	stts, err := rows(b.first("stts"), "stts", 2)
	if err != nil {
		return err
	}
	var timed, units uint64
	for ; len(stts) > 0; stts = stts[8:] {
		timed += uint64(column(stts, 0))
		units += uint64(column(stts, 0)) * uint64(column(stts, 1))
	}
	if timed != count {
		return damaged("%d samples have a size, %d a duration", count, timed)
	}
	t.Media = inTime(units, scale)

	t.Keys = t.Samples
	if box := b.first("stss"); box != nil {
		stss, err := rows(box, "stss", 1)
		if err != nil {
			return err
		}
		t.Keys = len(stss) / 4
		last := uint32(0)
		for ; len(stss) > 0; stss = stss[4:] {
			if n := column(stss, 0); n <= last || uint64(n) > count {
				return damaged("its keyframes are out of order")
			} else {
				last = n
			}
		}
	}
	if ctts := b.first("ctts"); ctts != nil {
		list, err := rows(ctts, "ctts", 2)
		if err != nil {
			return err
		}
		var shifted uint64
		for ; len(list) > 0; list = list[8:] {
			shifted += uint64(column(list, 0))
		}
		if shifted != count {
			return damaged("%d samples have a size, %d a composition offset", count, shifted)
		}
	}
	size := func(i uint64) int64 {
		if even != 0 {
			return even
		}
		return int64(column(sizes, int(i)))
	}
	return t.chunks(b, count, size, payload)
}

// chunks follows the chunk tables: every sample must lie in one, and every chunk in an mdat.
func (t *TrackInfo) chunks(b children, count uint64, size func(i uint64) int64, payload []span) error {
	width := 1
	offsets, err := rows(b.first("stco"), "stco", 1)
	if err == nil && b.first("co64") != nil {
		width = 2
		offsets, err = rows(b.first("co64"), "co64", 2)
	}
	if err != nil {
		return err
	}
	stsc, err := rows(b.first("stsc"), "stsc", 3)
	if err != nil {
		return err
	}
	sample, each, in := uint64(0), uint64(0), 0
	for n := uint32(1); len(offsets) > 0; n++ {
		if len(stsc) > 0 && column(stsc, 0) == n {
			each = uint64(column(stsc, 1))
			stsc = stsc[12:]
		}
		if each == 0 || each > count-sample {
			return damaged("chunk %d holds %d samples, but only %d are left", n, each, count-sample)
		}
		at := int64(column(offsets, 0))
		if width == 2 {
			at = int64(binary.BigEndian.Uint64(offsets))
		}
		offsets = offsets[4*width:]
		end := at
		for range each {
			end += size(sample)
			sample++
		}
		for in < len(payload) && end > payload[in].to {
			in++
		}
		if in == len(payload) || at < payload[in].from || at > end {
			return damaged("chunk %d lies outside the payload", n)
		}
		t.End = max(t.End, end)
	}
	if sample != count || len(stsc) > 0 {
		return damaged("%d samples have a size, %d a place", count, sample)
	}
	return nil
}
