package matroska

import (
	"bytes"
	"math"
	"testing"

	"roomreel"
	"roomreel/internal/media"
)

func TestReadIndex_ReadsHowFramesAreShown(t *testing.T) {
	projection := func(parts ...[]byte) []byte { return element(idProjection, parts...) }
	roll := func(degrees float64) []byte { return floatElement(idProjectionPoseRoll, degrees) }
	display := func(width, height uint64) []byte {
		return join(uintElement(idDisplayWidth, width), uintElement(idDisplayHeight, height))
	}
	unit := func(n uint64) []byte { return uintElement(idDisplayUnit, n) }
	crop := func(left, top, right, bottom uint64) []byte {
		return join(uintElement(idPixelCropLeft, left), uintElement(idPixelCropTop, top), uintElement(idPixelCropRight, right),
			uintElement(idPixelCropBottom, bottom))
	}
	cropped := media.Display{Width: 320, Height: 240, Left: 80, Right: 80}
	for name, test := range map[string]struct {
		elements []byte
		want     media.Display
	}{
		"says nothing":           {nil, media.Display{}},
		"square pixels":          {display(320, 240), media.Display{AspectNum: 1, AspectDen: 1}},
		"427x240":                {display(427, 240), media.Display{AspectNum: 427, AspectDen: 320}},
		"16:9":                   {join(display(16, 9), unit(3)), media.Display{AspectNum: 4, AspectDen: 3}},
		"in centimetres":         {join(display(32, 18), unit(1)), media.Display{AspectNum: 4, AspectDen: 3}},
		"in an unknown unit":     {join(display(16, 9), unit(4)), media.Display{}},
		"width only":             {uintElement(idDisplayWidth, 640), media.Display{AspectNum: 2, AspectDen: 1}},
		"width of an aspect":     {join(uintElement(idDisplayWidth, 16), unit(3)), media.Display{}},
		"zero":                   {join(display(16, 0), unit(3)), media.Display{}},
		"a line":                 {display(1<<16, 1), media.Display{}},
		"larger than any film":   {display(math.MaxUint64, math.MaxUint64), media.Display{}},
		"cropped":                {crop(80, 0, 80, 0), cropped},
		"cropped, square pixels": {join(crop(80, 0, 80, 0), display(160, 240)), media.Display{Width: 320, Height: 240, Left: 80, Right: 80, AspectNum: 1, AspectDen: 1}},
		"cropped away":           {crop(0, 120, 0, 120), media.Display{}},
		"cropped far away":       {crop(math.MaxUint64, 0, 1, 0), media.Display{}},
		"counterclockwise":       {projection(roll(90)), media.Display{Turn: 270}},
		"clockwise":              {projection(roll(-90)), media.Display{Turn: 90}},
		"half a turn":            {projection(roll(180)), media.Display{Turn: 180}},
		"a little askew":         {projection(roll(-80)), media.Display{Turn: 90}},
		"no angle":               {projection(roll(math.NaN())), media.Display{}},
		"from behind":            {projection(floatElement(idProjectionPoseYaw, 180)), media.Display{Mirror: true}},
		"a sphere":               {projection(uintElement(idProjectionType, 1), roll(90)), media.Display{}},
		"crop before the size":   {nil, cropped},
	} {
		t.Run(name, func(t *testing.T) {
			size := join(uintElement(idPixelWidth, 320), uintElement(idPixelHeight, 240))
			video := element(idVideo, size, test.elements)
			if name == "crop before the size" {
				video = element(idVideo, crop(80, 0, 80, 0), size)
			}
			file := join(header("webm"), element(idSegment, element(idTracks, entry(1, 1, "V_VP8", video)),
				element(idCluster, at(0), simple(0, []byte{0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0}))))
			x, _, err := ReadIndex(bytes.NewReader(file), int64(len(file)), roomreel.Video)
			if err != nil {
				t.Fatal(err)
			}
			if x.Display != test.want {
				t.Errorf("%+v, want %+v", x.Display, test.want)
			}
		})
	}
}

func TestReadIndex_ReadsWhatColoursMean(t *testing.T) {
	for name, test := range map[string]struct {
		elements []byte
		want     media.Colour
	}{
		"says nothing":     {nil, media.Colour{}},
		"an empty element": {element(idColour), media.Colour{}},
		"unspecified":      {element(idColour, uintElement(idMatrixCoefficients, 2), uintElement(idRange, 0)), media.Colour{}},
		"matrix only":      {element(idColour, uintElement(idMatrixCoefficients, 1)), media.Colour{Matrix: 1}},
		"full range":       {element(idColour, uintElement(idMatrixCoefficients, 6), uintElement(idRange, 2)), media.Colour{Matrix: 6, Full: true}},
		"range of a table": {element(idColour, uintElement(idMatrixCoefficients, 6), uintElement(idRange, 3)), media.Colour{Matrix: 6}},
		"HDR": {
			element(idColour, uintElement(idMatrixCoefficients, 9), uintElement(idPrimaries, 9), uintElement(idTransferCharacteristics, 16)),
			media.Colour{Primaries: 9, Transfer: 16, Matrix: 9},
		},
		"no number of H.273": {element(idColour, uintElement(idMatrixCoefficients, math.MaxUint64), uintElement(idRange, math.MaxUint64)), media.Colour{}},
	} {
		video := element(idVideo, uintElement(idPixelWidth, 320), uintElement(idPixelHeight, 240), test.elements)
		file := join(header("webm"), element(idSegment, element(idTracks, entry(1, 1, "V_VP8", video)),
			element(idCluster, at(0), simple(0, []byte{0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0}))))
		x, _, err := ReadIndex(bytes.NewReader(file), int64(len(file)), roomreel.Video)
		if err != nil {
			t.Fatal(err)
		}
		if x.Colour != test.want {
			t.Errorf("%s: %+v, want %+v", name, x.Colour, test.want)
		}
	}
}
