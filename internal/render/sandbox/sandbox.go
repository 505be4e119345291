// Package sandbox takes from a render child everything that it does not need: files, network, processes, privileges,
// memory without end. What is left are its pipes, its memory and processor time.
//
// A child is isolated by the way in which the parent starts it ([Isolation]), and protects itself before it reads its
// first byte of input ([Confine]). [Escapes] tries to break out, so that a service can report which protections are in
// force. Start with [Confine].
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"

	"roomreel/internal/render/protocol"
)

// Mode says how much of the sandbox must be in force.
type Mode string

const (
	Auto    Mode = "auto"    // use every protection that the kernel grants
	Require Mode = "require" // run no child when a protection is missing
	Off     Mode = "off"     // use none, for debuggers: an attacker who takes over a codec has the service's rights
)

// Protection is a set of parts of the sandbox, one bit each.
type Protection uint64

const (
	namespaces Protection = 1 << iota
	identity
	parentDeath
	noNewPrivileges
	landlocked
	seccomp
	limits
)

// byChild are the protections that a child puts on itself.
const byChild = parentDeath | noNewPrivileges | landlocked | seccomp | limits

// descriptions names the protections for operators, in the order in which they are put on.
var descriptions = []struct {
	bit  Protection
	name string
	hint string // what to do when it is missing
}{
	{namespaces, "namespaces", "allow user namespaces: sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1, " +
		"kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that lets clone through"},
	{identity, "identity", "run the service as an unprivileged user, or let the user nobody execute roomreel-render"},
	{parentDeath, "parent_death", "use a kernel that sends the parent-death signal"},
	{noNewPrivileges, "no_new_privs", "use Linux 3.17 or newer"},
	{landlocked, "landlock", "use Linux 5.13 or newer with landlock among the lsm= of its command line"},
	{seccomp, "seccomp", "use a kernel with CONFIG_SECCOMP_FILTER, and a container that lets a process restrict itself"},
	{limits, "limits", "raise the hard limits of the service: each must be at least what a child is given"},
}

// Report says what confines a child on this kernel and for this user.
type Report struct {
	Protections []Status
	Escapes     []string // what a child was able to do although it should not
}

// Status is one protection.
type Status struct {
	Name    string
	InForce bool
	Hint    string // what would put it in force; "" when it is
}

// Missing names the protections that are not in force.
func (r Report) Missing() []string {
	var names []string
	for _, p := range r.Protections {
		if !p.InForce {
			names = append(names, p.Name)
		}
	}
	return names
}

// NewReport describes a child that was isolated by i, noted its own protections in page, and was able to do escapes.
func NewReport(i Isolation, page *protocol.Page, escapes []string) Report {
	inForce := i.protections() | Protection(page.Protections())&byChild
	r := Report{Escapes: escapes}
	for _, d := range descriptions {
		status := Status{Name: d.name, InForce: inForce&d.bit != 0}
		if !status.InForce {
			status.Hint = d.hint
		}
		r.Protections = append(r.Protections, status)
	}
	return r
}

// Confine puts on this process, for good, every protection that the page's orders ask for and the kernel grants. It must
// run before the first byte of input is read; the dynamic linker is done by then. Protections in force are noted in the
// page. The error names those that are missing.
func Confine(page *protocol.Page) error {
	if !page.Orders.Confine {
		return nil
	}
	var missing []error
	note := func(p Protection, err error) {
		if err != nil {
			missing = append(missing, err)
			return
		}
		page.Protect(uint64(p))
	}
	note(parentDeath, dieWithParent())
	note(limits, setLimits(page.Orders))
	note(landlocked, forbidFiles(page.Orders.Device.Files()))
	// The filter lets files be opened for a device only where Landlock says which.
	device := page.Orders.Device.Kind() != "" && Protection(page.Protections())&landlocked != 0
	note(noNewPrivileges|seccomp, filterCalls(device)) // last: it forbids the others
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("sandbox: %w", errors.Join(missing...))
}

// dieWithParent makes sure that this process ends with its parent. The parent has asked for the signal already, but the
// kernel forgets it when an executable changes the user: ours does not, a packager's might.
func dieWithParent() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("parent-death signal: %w", err)
	}
	return nil
}

// addressSlack is address space that is reserved and never used: the Go runtime's summaries of its heap, the arenas of
// the C library for each thread.
const addressSlack = 16 << 30

// setLimits sets resource limits. RLIMIT_DATA bounds memory, because it counts private writable mappings and neither
// reservations nor libraries. RLIMIT_AS is a second bound behind it.
func setLimits(orders protocol.Orders) error {
	if orders.Memory <= 0 {
		return errors.New("limits: no memory limit was ordered")
	}
	bytes := uint64(orders.Memory)
	type limit struct {
		name  string
		what  int
		value uint64
	}
	all := []limit{
		{"data", unix.RLIMIT_DATA, bytes},
		{"address space", unix.RLIMIT_AS, bytes + addressSlack},
		{"core", unix.RLIMIT_CORE, 0},
		{"file size", unix.RLIMIT_FSIZE, 0},
		{"files", unix.RLIMIT_NOFILE, 32},
		{"message queues", unix.RLIMIT_MSGQUEUE, 0},
		{"locked memory", unix.RLIMIT_MEMLOCK, 0},
	}
	if orders.CPUSeconds > 0 {
		all = append(all, limit{"processor time", unix.RLIMIT_CPU, orders.CPUSeconds})
	}
	var problems []error
	for _, l := range all {
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
	// The collector works harder before the Go part of the process reaches the limit. The codecs get the rest.
	debug.SetMemoryLimit(orders.Memory / 2)
	return errors.Join(problems...)
}

// forbidFiles has Landlock refuse every path, TCP port, abstract socket and foreign process, as far as the kernel's
// version of it can. The files of a configured device may be opened, read, written and controlled.
func forbidFiles(device []string) error {
	var holes []landlock.Rule
	if len(device) > 0 {
		holes = append(holes, landlock.RWFiles(device...).WithIoctlDev().IgnoreIfMissing())
	}
	if err := landlock.V11.BestEffort().Restrict(holes...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	// On a kernel without Landlock, best effort does nothing and reports nothing.
	if f, err := os.Open("/"); err == nil {
		f.Close()
		return errors.New("landlock: the kernel does not have it or has it switched off")
	}
	return nil
}
