package render

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// confine takes from this process whatever it does not need, for good: what is left are its pipes, memory and processor
// time. It runs before the first byte of input is read; the dynamic linker is done by then. The guards that hold are
// noted in the page; the error says which do not, and is fatal only when the parent requires all.
func confine(page *shared) error {
	if page.modeOrdered() == Off {
		return nil
	}
	var problems []error
	put := func(g guard, err error) {
		if err != nil {
			problems = append(problems, err)
			return
		}
		page.guards.Or(uint64(g))
	}
	put(guardParent, checkParentDeath())
	put(guardLimits, limit(page))
	put(guardLandlock, forbidFiles())
	put(guardPrivileges|guardSeccomp, filterCalls()) // last: it forbids putting on the others
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("sandbox: %w", errors.Join(problems...))
}

// checkParentDeath makes sure that this process dies with the one that made it. The kernel forgets the signal when an
// executable changes the user; ours does not, but nothing would show it if a packager's did.
func checkParentDeath() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("parent-death signal: %w", err)
	}
	return nil
}

// addressSlack is address space that is reserved but never used: the Go runtime's summaries of its heap, the arenas of
// the C library for each thread.
const addressSlack = 16 << 30

// limit sets resource limits. RLIMIT_DATA is what bounds memory, since it counts private writable mappings and neither
// reservations nor libraries; RLIMIT_AS is the wall behind it.
func limit(page *shared) error {
	if page.memory <= 0 {
		return errors.New("limits: no memory limit was ordered")
	}
	bytes := uint64(page.memory)
	limits := []struct {
		name  string
		what  int
		value uint64
	}{
		{"data", unix.RLIMIT_DATA, bytes},
		{"address space", unix.RLIMIT_AS, bytes + addressSlack},
		{"core", unix.RLIMIT_CORE, 0},
		{"file size", unix.RLIMIT_FSIZE, 0},
		{"files", unix.RLIMIT_NOFILE, 32},
		{"message queues", unix.RLIMIT_MSGQUEUE, 0},
		{"locked memory", unix.RLIMIT_MEMLOCK, 0},
	}
	if page.seconds > 0 {
		limits = append(limits, struct {
			name  string
			what  int
			value uint64
		}{"processor time", unix.RLIMIT_CPU, page.seconds})
	}
	var problems []error
	for _, l := range limits {
		var old unix.Rlimit
		err := unix.Getrlimit(l.what, &old)
		value := min(l.value, old.Max) // a stricter limit of the operator's stays
		if err == nil {
			err = unix.Setrlimit(l.what, &unix.Rlimit{Cur: value, Max: value})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("limit of %s: %w", l.name, err))
		}
	}
	// The collector works harder before it lets the Go part of the process reach the wall; the rest is the codecs'.
	debug.SetMemoryLimit(page.memory / 2)
	return errors.Join(problems...)
}

// forbidFiles has Landlock refuse every path, TCP port, abstract socket and foreign process, as far as the kernel's
// version of it knows how.
func forbidFiles() error {
	if err := landlock.V11.BestEffort().Restrict(); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	// A kernel without Landlock makes best effort do nothing and say nothing.
	if f, err := os.Open("/"); err == nil {
		f.Close()
		return errors.New("landlock: the kernel does not have it or has it switched off")
	}
	return nil
}
