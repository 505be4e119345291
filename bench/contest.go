package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// contest composes a room alternately with roomreel and with an ffmpeg command by hand, so that a change of the machine's speed
// affects both.
type contest struct {
	name string
	room spec
	film film
	hand []string // how the command by hand encodes; none: only roomreel composes
	set  []string // further flags of roomreel compose
	ssim bool
	most int // turns at most; 0: as many as asked for
}

// result is the result of a contest: medians of all turns.
type result struct {
	turns         int
	seconds       int // of the film
	ours, hand    run
	ourSSIM, ssim float64 // 0: not measured
}

// contest runs a contest. Rows that show different figures of one contest share its runs.
func (b *bench) contest(ctx context.Context, c contest) (result, error) {
	if o, ok := b.results[c.name]; ok {
		return o.result, o.err
	}
	o, err := b.compete(ctx, c)
	b.results[c.name] = ended{o, err}
	return o, err
}

type ended struct {
	result result
	err    error
}

func (b *bench) compete(ctx context.Context, c contest) (result, error) {
	room, err := b.room(ctx, c.room)
	if err != nil {
		return result{}, err
	}
	o := result{turns: b.turns, seconds: room.seconds}
	if c.most > 0 {
		o.turns = min(o.turns, c.most)
	}
	ours, hand := filepath.Join(b.work, "roomreel."+c.film.format), filepath.Join(b.work, "hand."+c.film.format)
	var our, their []run
	for range o.turns {
		r, err := measure(ctx, ours, b.compose(room, c.film, ours, c.set...)...)
		if err != nil {
			return o, err
		}
		our = append(our, r)
		if c.hand == nil {
			continue
		}
		if r, err = measure(ctx, hand, c.film.byHand(room, hand, c.hand...)...); err != nil {
			return o, err
		}
		their = append(their, r)
	}
	o.ours = median(our)
	if c.hand != nil {
		o.hand = median(their)
	}
	if !c.ssim {
		return o, nil
	}
	if o.ourSSIM, err = ssim(ctx, ours, c.film, room, roomreelRule(c.film)); err != nil || c.hand == nil {
		return o, err
	}
	o.ssim, err = ssim(ctx, hand, c.film, room, ffmpegRule)
	return o, err
}

// compose returns the command with which roomreel composes.
func (b *bench) compose(r *room, f film, out string, flags ...string) []string {
	line := b.command("compose", "--room", r.manifest, "--layout", f.layout(r), "--fps", fmt.Sprint(f.fps), "-o", out)
	if f.w > 0 {
		line = append(line, "--resolution", fmt.Sprintf("%dx%d", f.w, f.h))
	}
	return append(line, flags...)
}

// what describes what both used, for the table.
func (o result) what() string {
	text := fmt.Sprintf("%.2f and %.2f core-s, %.2f and %.2f s, %.2f and %.2f MB", o.ours.cpu.Seconds(), o.hand.cpu.Seconds(),
		o.ours.wall.Seconds(), o.hand.wall.Seconds(), megabytes(o.ours.size), megabytes(o.hand.size))
	if o.ssim > 0 {
		text += fmt.Sprintf(", SSIM %.4f and %.4f", o.ourSSIM, o.ssim)
	}
	if o.turns == 1 {
		text += ", one turn"
	}
	return text
}

// unmet says what else of a film is worse than it may be beside what a row measures.
func (o result) unmet() (unmet []string) {
	const (
		mostBytes = 1.10
		printed   = 0.00005 // SSIM is compared as it is printed
	)
	if o.hand.size > 0 && ratio(o.ours.size, o.hand.size) > mostBytes {
		unmet = append(unmet, fmt.Sprintf("%.2f times the bytes", ratio(o.ours.size, o.hand.size)))
	}
	if o.ourSSIM < o.ssim-printed {
		unmet = append(unmet, "SSIM is lower")
	}
	return unmet
}

// cpu, wall and speed are figures of a contest.
func (o result) cpu() figure {
	return figure{value: ratio(o.ours.cpu, o.hand.cpu), unmet: o.unmet(), detail: o.what()}
}

func (o result) wall() figure {
	return figure{value: ratio(o.ours.wall, o.hand.wall), unmet: o.unmet(), detail: o.what()}
}

func (o result) speed() figure {
	length := time.Duration(o.seconds) * time.Second
	return figure{
		value:  ratio(length, o.ours.wall),
		detail: fmt.Sprintf("%d s of film in %.2f s, %.2f core-s, %.2f MB", o.seconds, o.ours.wall.Seconds(), o.ours.cpu.Seconds(), megabytes(o.ours.size)),
	}
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// cost is what a minute of film costs, with its size and quality.
func (o result) cost() figure {
	return figure{
		value:  o.ours.cpu.Seconds() * 60 / float64(o.seconds),
		detail: fmt.Sprintf("%.2f MB a minute, SSIM %.4f", megabytes(o.ours.size)*60/float64(o.seconds), o.ourSSIM),
	}
}
