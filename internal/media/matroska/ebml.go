package matroska

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Element IDs, length marker included. Source: RFC 8794 (EBML) and RFC 9559 (Matroska).
const (
	idEBML        = 0x1A45DFA3
	idSegment     = 0x18538067
	idSeekHead    = 0x114D9B74
	idInfo        = 0x1549A966
	idTracks      = 0x1654AE6B
	idCluster     = 0x1F43B675
	idCues        = 0x1C53BB6B
	idChapters    = 0x1043A770
	idTags        = 0x1254C367
	idAttachments = 0x1941A469
	idVoid        = 0xEC
	idCRC32       = 0xBF

	idEBMLVersion        = 0x4286
	idEBMLReadVersion    = 0x42F7
	idEBMLMaxIDLength    = 0x42F2
	idEBMLMaxSizeLength  = 0x42F3
	idDocType            = 0x4282
	idDocTypeVersion     = 0x4287
	idDocTypeReadVersion = 0x4285

	idSeek         = 0x4DBB
	idSeekID       = 0x53AB
	idSeekPosition = 0x53AC

	idTimestampScale = 0x2AD7B1
	idDuration       = 0x4489
	idMuxingApp      = 0x4D80
	idWritingApp     = 0x5741

	idTrackEntry              = 0xAE
	idTrackNumber             = 0xD7
	idTrackUID                = 0x73C5
	idTrackType               = 0x83
	idFlagLacing              = 0x9C
	idDefaultDuration         = 0x23E383
	idName                    = 0x536E
	idCodecID                 = 0x86
	idCodecPrivate            = 0x63A2
	idCodecDelay              = 0x56AA
	idSeekPreRoll             = 0x56BB
	idVideo                   = 0xE0
	idPixelWidth              = 0xB0
	idPixelHeight             = 0xBA
	idPixelCropBottom         = 0x54AA
	idPixelCropTop            = 0x54BB
	idPixelCropLeft           = 0x54CC
	idPixelCropRight          = 0x54DD
	idDisplayWidth            = 0x54B0
	idDisplayHeight           = 0x54BA
	idDisplayUnit             = 0x54B2
	idColour                  = 0x55B0
	idMatrixCoefficients      = 0x55B1
	idRange                   = 0x55B9
	idTransferCharacteristics = 0x55BA
	idPrimaries               = 0x55BB
	idProjection              = 0x7670
	idProjectionType          = 0x7671
	idProjectionPoseYaw       = 0x7673
	idProjectionPoseRoll      = 0x7675
	idAudio                   = 0xE1
	idSamplingFrequency       = 0xB5
	idChannels                = 0x9F
	idBitDepth                = 0x6264
	idContentEncodings        = 0x6D80
	idContentEncoding         = 0x6240
	idContentScope            = 0x5032
	idContentType             = 0x5033
	idContentCompression      = 0x5034
	idContentCompAlgo         = 0x4254
	idContentCompSettings     = 0x4255

	idTimestamp         = 0xE7
	idSilentTracks      = 0x5854
	idPosition          = 0xA7
	idPrevSize          = 0xAB
	idSimpleBlock       = 0xA3
	idBlockGroup        = 0xA0
	idEncryptedBlock    = 0xAF
	idBlock             = 0xA1
	idBlockAdditions    = 0x75A1
	idBlockDuration     = 0x9B
	idReferencePriority = 0xFA
	idReferenceBlock    = 0xFB
	idReferenceVirtual  = 0xFD
	idCodecState        = 0xA4
	idDiscardPadding    = 0x75A2
	idSlices            = 0x8E

	idCuePoint           = 0xBB
	idCueTime            = 0xB3
	idCueTrackPositions  = 0xB7
	idCueTrack           = 0xF7
	idCueClusterPosition = 0xF1
)

// unknownSize is what parseSize returns for an element that ends where its parent's next child begins.
const unknownSize = math.MaxInt64

// parseVint reads a variable-length integer off the front of b: its value without the length marker and its length,
// or length 0 when b does not hold one.
func parseVint(b []byte) (value uint64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if len(b) < n {
		return 0, 0
	}
	value = uint64(b[0]) &^ (0x80 >> (n - 1))
	for _, c := range b[1:n] {
		value = value<<8 | uint64(c)
	}
	return value, n
}

// parseSize reads an element's size off the front of b.
func parseSize(b []byte) (size int64, n int) {
	v, n := parseVint(b)
	if n > 0 && v == 1<<(7*n)-1 {
		return unknownSize, n
	}
	return int64(v), n
}

// parseID reads an element ID, marker included, off the front of b. IDs are at most four bytes long.
func parseID(b []byte) (id uint32, n int) {
	if len(b) == 0 || b[0] < 0x10 {
		return 0, 0
	}
	n = bits.LeadingZeros8(b[0]) + 1
	if len(b) < n {
		return 0, 0
	}
	for _, c := range b[:n] {
		id = id<<8 | uint32(c)
	}
	return id, n
}

// children calls f for each element in b, and stops at the first that does not fit.
func children(b []byte, f func(id uint32, data []byte)) {
	for len(b) > 0 {
		id, n := parseID(b)
		if n == 0 {
			return
		}
		size, m := parseSize(b[n:])
		if m == 0 || size > int64(len(b)-n-m) {
			return
		}
		b = b[n+m:]
		f(id, b[:size])
		b = b[size:]
	}
}

// uintOf reads an unsigned integer element; longer ones than eight bytes do not exist.
func uintOf(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// intOf reads a signed integer element.
func intOf(b []byte) int64 {
	if len(b) == 0 || len(b) > 8 {
		return 0
	}
	shift := 64 - 8*len(b)
	return int64(uintOf(b)<<shift) >> shift
}

// floatOf reads a float element.
func floatOf(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}
