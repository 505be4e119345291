package mp4

import "encoding/binary"

// box returns a box with the given parts as its body. Boxes built this way stay below 4 GiB; mdat is written apart.
func newBox(kind string, parts ...[]byte) []byte {
	n := 8
	for _, p := range parts {
		n += len(p)
	}
	b := make([]byte, 0, n)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = append(b, kind...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// fullBox is a box with a version and flags.
func newFullBox(kind string, version byte, flags uint32, parts ...[]byte) []byte {
	return newBox(kind, append([][]byte{u32(uint32(version)<<24 | flags)}, parts...)...)
}

func u8(v ...byte) []byte { return v }

func u16(v ...uint16) []byte {
	b := make([]byte, 0, 2*len(v))
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

func u32(v ...uint32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

func u64(v ...uint64) []byte {
	b := make([]byte, 0, 8*len(v))
	for _, x := range v {
		b = binary.BigEndian.AppendUint64(b, x)
	}
	return b
}

// table is a box whose body is a count and rows.
type table struct {
	rows []byte
	n    uint32
}

func (t *table) add(v ...uint32) {
	for _, x := range v {
		t.rows = binary.BigEndian.AppendUint32(t.rows, x)
	}
	t.n++
}

func (t *table) box(kind string) []byte { return newFullBox(kind, 0, 0, u32(t.n), t.rows) }

// runs is a table of (count, value) rows, equal neighbours merged.
type runs struct {
	table table
	count uint32
	value uint32
}

func (r *runs) add(v uint32) {
	if r.count > 0 && v != r.value {
		r.flush()
	}
	r.value = v
	r.count++
}

func (r *runs) flush() {
	if r.count > 0 {
		r.table.add(r.count, r.value)
	}
	r.count = 0
}

func (r *runs) box(kind string) []byte {
	r.flush()
	return r.table.box(kind)
}
