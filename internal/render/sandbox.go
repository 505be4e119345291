package render

import "syscall"

// Mode says how much of the sandbox must hold.
type Mode string

const (
	Auto    Mode = "auto"    // put on every guard that the kernel grants
	Require Mode = "require" // refuse to run a child when one is missing
	Off     Mode = "off"     // none, for debuggers: a codec's hole is then the service's
)

// surrounding is how a child is cut off by the way it is made.
type surrounding struct {
	clone uintptr
}

func surroundings(mode Mode) []surrounding { return []surrounding{{}} }

func (s surrounding) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: s.clone}
}
