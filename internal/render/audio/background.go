package audio

import "sync"

const (
	// batchSize is how many samples are handed to the goroutine at a time, half a second: to wake one up takes some system calls.
	batchSize = 24000

	// batches is how many there are: one that is filled, one that is encoded, and two that wait.
	batches = 4
)

// background hands samples to a sink that runs on a goroutine of its own, so that one core decodes and mixes while another encodes.
type background struct {
	full, empty chan batch
	filling     batch
	done        chan struct{} // closed when the goroutine ended
	err         error         // of the sink, once done is closed
	stop        func()        // ends the goroutine without the sink's end, if that did not come
}

// batch is samples for a sink. The last one has no room and means its end.
type batch struct {
	samples []float32
	loudest float32
}

func newBackground(out sink, channels int) *background {
	b := &background{full: make(chan batch, batches+1), empty: make(chan batch, batches), done: make(chan struct{})}
	for range batches {
		b.empty <- batch{samples: make([]float32, 0, channels*batchSize)}
	}
	b.filling = <-b.empty
	b.stop = sync.OnceFunc(func() {
		close(b.full)
		<-b.done
	})
	go func() {
		defer close(b.done)
		b.err = b.run(out)
	}()
	return b
}

// run gives batches to the sink until there are no more, or it fails.
func (b *background) run(out sink) error {
	for full := range b.full {
		if full.samples == nil {
			return out.end()
		}
		if err := out.write(full.samples, full.loudest); err != nil {
			return err
		}
		b.empty <- batch{samples: full.samples[:0]}
	}
	return nil
}

func (b *background) write(samples []float32, loudest float32) error {
	for len(samples) > 0 {
		f := &b.filling
		n := min(len(samples), cap(f.samples)-len(f.samples))
		f.samples, f.loudest = append(f.samples, samples[:n]...), max(f.loudest, loudest)
		samples = samples[n:]
		if len(f.samples) < cap(f.samples) {
			continue
		}
		b.full <- b.filling
		select {
		case b.filling = <-b.empty:
		case <-b.done:
			return b.err
		}
	}
	return nil
}

func (b *background) end() error {
	b.full <- b.filling
	b.full <- batch{}
	<-b.done
	return b.err
}
