package fidelity

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// damages are the kinds of damage that a file may have. Each changes the file at a place that random chooses.
var damages = []struct {
	name  string
	apply func(random *rand.Rand, file []byte) []byte
}{
	{"flipped bits", func(random *rand.Rand, file []byte) []byte {
		for range 1 + random.IntN(20) {
			file[somewhere(random, file)] ^= 1 << random.IntN(8)
		}
		return file
	}},
	{"random bytes", func(random *rand.Rand, file []byte) []byte {
		from, to := rangeOf(random, file, 64)
		for i := from; i < to; i++ {
			file[i] = byte(random.Uint32())
		}
		return file
	}},
	{"truncated", func(random *rand.Rand, file []byte) []byte {
		return file[:1+random.IntN(len(file)-1)]
	}},
	{"removed range", func(random *rand.Rand, file []byte) []byte {
		from, to := rangeOf(random, file, 8192)
		return append(file[:from:from], file[to:]...)
	}},
	{"duplicated range", func(random *rand.Rand, file []byte) []byte {
		from, to := rangeOf(random, file, 8192)
		return bytes.Join([][]byte{file[:to], file[from:]}, nil)
	}},
	{"swapped ranges", func(random *rand.Rand, file []byte) []byte {
		length := 1 + random.IntN(max(1, min(4096, len(file)/4)))
		from := random.IntN(max(1, len(file)/2-length))
		to := from + length + random.IntN(max(1, len(file)-from-2*length))
		if to+length > len(file) {
			return file
		}
		a, b := file[from:from+length], file[to:to+length]
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
		return file
	}},
	{"inserted junk", func(random *rand.Rand, file []byte) []byte {
		at := somewhere(random, file)
		junk := make([]byte, 1+random.IntN(4096))
		for i := range junk {
			junk[i] = byte(random.Uint32())
		}
		return bytes.Join([][]byte{file[:at], junk, file[at:]}, nil)
	}},
	{"zeroed range", func(random *rand.Rand, file []byte) []byte {
		from, to := rangeOf(random, file, 8192)
		clear(file[from:to])
		return file
	}},
	{"wrong size", wrongSize},
	{"wrong number", func(random *rand.Rand, file []byte) []byte {
		at := somewhere(random, file)
		copy(file[at:], extreme(random))
		return file
	}},
}

// damage returns a copy of the file with one to three kinds of damage. The seed alone decides which.
func damage(file []byte, seed uint64) (damaged []byte, what string) {
	random := rand.New(rand.NewPCG(seed, 0xdead))
	damaged = bytes.Clone(file)
	for range 1 + random.IntN(3)/2 + random.IntN(4)/3 {
		d := damages[random.IntN(len(damages))]
		damaged = d.apply(random, damaged)
		what += ", " + d.name
		if len(damaged) < 2 {
			break
		}
	}
	return damaged, what[2:]
}

// somewhere chooses a place in a file: half of them among the first 2 KiB, where headers are.
func somewhere(random *rand.Rand, file []byte) int {
	if random.IntN(2) == 0 {
		return random.IntN(min(len(file), 2048))
	}
	return random.IntN(len(file))
}

// rangeOf chooses a range of at most longest bytes.
func rangeOf(random *rand.Rand, file []byte, longest int) (from, to int) {
	from = somewhere(random, file)
	return from, min(len(file), from+1+random.IntN(longest))
}

// extreme is a number that programs forget.
func extreme(random *rand.Rand) []byte {
	n := []uint64{0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff, random.Uint64()}[random.IntN(11)]
	whole := binary.BigEndian.AppendUint64(nil, n)
	return whole[8-[]int{1, 2, 4, 8}[random.IntN(4)]:]
}

// elements are names in Matroska, MP4 and Ogg with a size beside them: after the name, or in MP4 before it.
var elements = []string{
	"\x1f\x43\xb6\x75", "\x18\x53\x80\x67", "\x16\x54\xae\x6b", "\xae", "\xa3", "\xa0", "\x63\xa2", "\xe7", "\x1c\x53\xbb\x6b",
	"moov", "trak", "mdia", "stsz", "stco", "stts", "stsc", "ctts", "avcC", "esds", "mdat", "moof", "traf", "trun", "tfdt", "dOps", "elst",
	"OggS", "OpusHead", "OpusTags",
}

// wrongSize changes the number beside the name of an element.
func wrongSize(random *rand.Rand, file []byte) []byte {
	for range 50 {
		name := elements[random.IntN(len(elements))]
		from := random.IntN(len(file))
		at := bytes.Index(file[from:], []byte(name))
		if at < 0 {
			continue
		}
		at += from
		number := extreme(random)
		switch {
		case name == "OggS": // its segment table
			at += 26 + random.IntN(8)
		case len(name) == 4 && name[0] >= 'a' && random.IntN(2) == 0:
			at -= 4
		default:
			at += len(name)
		}
		if at >= 0 && at < len(file) {
			copy(file[at:], number)
			return file
		}
	}
	return file
}

// checkDamages returns a sentence about a kind of damage that changes nothing in any of many seeds.
func checkDamages(file []byte) error {
	for _, d := range damages {
		changed := 0
		for seed := range uint64(20) {
			if !bytes.Equal(d.apply(rand.New(rand.NewPCG(seed, 1)), bytes.Clone(file)), file) {
				changed++
			}
		}
		if changed < 10 {
			return fmt.Errorf("%s changed the file in %d of 20 cases", d.name, changed)
		}
	}
	return nil
}
