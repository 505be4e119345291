package sandbox

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the user and group that own nothing, by the convention of every distribution (and the kernel's overflow ID).
const nobody = 65534

// cloneFlags are the namespaces that a child gets besides its user's: no network, none of our IPC, mounts and names of
// its own.
//
// A process namespace is added where it does not cost Landlock: before its ABI 8, Landlock restricts one thread, and to
// reach the others the child must see itself in /proc, which still shows its parent's process namespace. Without a
// process namespace, the filter on system calls keeps the child from naming other processes.
var cloneFlags = sync.OnceValue(func() uintptr {
	flags := uintptr(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS)
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || abi >= 8 {
		flags |= syscall.CLONE_NEWPID
	}
	return flags
})

// Isolation is how a child is separated by the way in which it is started.
type Isolation struct {
	Namespaces bool // it runs in namespaces of its own
	User       bool // one of them is a user namespace, in which it is nobody
	Nobody     bool // it runs as the host's user nobody; only root can do that
}

// Isolations lists what to try, strictest first. The kernel refuses some, depending on the user, on sysctls and on the
// container; a binary that nobody may execute refuses others.
func Isolations(mode Mode) []Isolation {
	if mode == Off {
		return []Isolation{{}}
	}
	var list []Isolation
	root := os.Getuid() == 0
	if root {
		list = append(list, Isolation{Namespaces: true, User: true, Nobody: true})
	}
	list = append(list, Isolation{Namespaces: true, User: true})
	if root {
		list = append(list, Isolation{Namespaces: true, Nobody: true})
	}
	if mode == Require {
		return list
	}
	if root {
		list = append(list, Isolation{Nobody: true})
	}
	return append(list, Isolation{})
}

// Attributes returns how to start a child in this isolation. It leads a process group of its own and dies with the
// thread that starts it.
func (i Isolation) Attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if i.Namespaces {
		a.Cloneflags = cloneFlags()
	}
	if i.User {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		uid, gid := os.Getuid(), os.Getgid()
		if i.Nobody {
			uid, gid = nobody, nobody
		}
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: gid, Size: 1}}
		a.GidMappingsEnableSetgroups = i.Nobody
	}
	if i.Nobody {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody} // and no other groups
	}
	return a
}

// protections returns those that the isolation provides.
func (i Isolation) protections() Protection {
	var p Protection
	if i.Namespaces {
		p |= namespaces
	}
	if i.User || i.Nobody || os.Getuid() != 0 {
		p |= identity
	}
	return p
}
