package main

import "fmt"

// candidate is a row of encoder options, as ffmpeg names them.
type candidate struct{ name, options string }

func (c candidate) String() string {
	if c.name != "" {
		return "**" + c.name + "** `" + c.options + "`"
	}
	return "`" + c.options + "`"
}

// candidates are the settings to try for each codec. The first is what users set by hand.
var candidates = map[string][]candidate{"h264": x264(), "vp8": libvpx()}

// x264 varies how much is searched for the best way to encode, and how frames share the bits: by x264's own plan (crf, mbtree, which
// looks ahead) or by fixed steps between I-, P- and B-frames (qp).
func x264() []candidate {
	const steps = "-c:v libx264 -preset %s -qp %d -x264-params bframes=%d:b-adapt=0:ipratio=%g:pbratio=%g:weightb=1:weightp=0:scenecut=0%s"
	list := []candidate{
		{"by hand", "-c:v libx264 -preset veryfast -crf 23"},
		{"standard until 2026-11", "-c:v libx264 -preset superfast -crf 24 -x264-params mbtree=1:rc-lookahead=20:bframes=3:b-adapt=0:weightp=0:scenecut=0:aq-mode=2"},
		{"draft until 2026-11", "-c:v libx264 -preset ultrafast -crf 24 -x264-params cabac=1:mbtree=1:rc-lookahead=10:aq-mode=2"},
		{"standard", fmt.Sprintf(steps, "superfast", 23, 7, 1.4, 3., "")},
		{"draft", fmt.Sprintf(steps, "ultrafast", 25, 7, 1.2, 2.5, ":cabac=1")},
		{"", "-c:v libx264 -preset superfast -crf 23 -x264-params mbtree=0:rc-lookahead=0:aq-mode=0:bframes=7:b-adapt=0:ipratio=1.2:pbratio=3:weightp=0:scenecut=0"},
	}
	add := func(preset string, qp, bframes int, ip, pb float64, more string) {
		list = append(list, candidate{"", fmt.Sprintf(steps, preset, qp, bframes, ip, pb, more)})
	}
	for _, bframes := range []int{3, 7, 11} {
		add("superfast", 23, bframes, 1.2, 3, "")
	}
	for _, qp := range []int{22, 24} {
		add("superfast", qp, 7, 1.2, 3, "")
	}
	add("superfast", 22, 7, 1.2, 3.6, "")
	for _, more := range []string{":weightb=0", ":deadzone-inter=26", ":subme=0", ":partitions=none"} {
		add("superfast", 23, 7, 1.2, 3, more)
	}
	add("ultrafast", 27, 7, 1.2, 2.5, ":cabac=1")
	return list
}

// libvpx varies how much is searched. A negative cpu-used in realtime is a fixed speed; a positive one follows the clock.
func libvpx() []candidate {
	const speed = "-c:v libvpx -deadline realtime -cpu-used -%d -b:v 1500k -static-thresh %d -qmax %d"
	list := []candidate{
		{"by hand", "-c:v libvpx -deadline good -cpu-used 5 -b:v 1500k"},
		{"draft until 2026-11", "-c:v libvpx -deadline realtime -cpu-used 16 -b:v 1500k"},
		{"standard", fmt.Sprintf(speed, 6, 100, 40)},
		{"draft", fmt.Sprintf(speed, 12, 300, 44)},
	}
	add := func(options string, values ...any) {
		list = append(list, candidate{"", fmt.Sprintf(options, values...)})
	}
	for _, static := range []int{0, 300, 1000} {
		add("-c:v libvpx -deadline good -cpu-used 5 -b:v 1500k -qmax 40 -static-thresh %d", static)
	}
	for _, n := range []int{4, 8, 10} {
		add(speed, n, 100, 40)
	}
	add(speed, 6, 300, 40)
	for _, qmax := range []int{36, 50, 63} {
		add(speed, 6, 100, qmax)
	}
	return list
}
