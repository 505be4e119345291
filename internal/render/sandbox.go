package render

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mode says how much of the sandbox must hold.
type Mode string

const (
	Auto    Mode = "auto"    // put on every guard that the kernel grants
	Require Mode = "require" // refuse to run a child when one is missing
	Off     Mode = "off"     // none, for debuggers: a codec's hole is then the service's
)

// nobody is the user and group that own nothing, by the convention of every distribution (and the kernel's overflow ID).
const nobody = 65534

// namespaces are those a child gets besides its user's: no network, none of our IPC, mounts and names of its own.
//
// A process namespace is added where it does not cost the Landlock guard: before its ABI 8, Landlock restricts one thread,
// and to reach the others the child must see itself in /proc, which still shows its parent's process namespace. Without
// it, the filter on system calls is what keeps the child from naming other processes.
var namespaces = sync.OnceValue(func() uintptr {
	spaces := uintptr(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS)
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || abi >= 8 {
		spaces |= syscall.CLONE_NEWPID
	}
	return spaces
})

// surrounding is how a child is cut off by the way it is made; what it then does to itself is in confine.go.
type surrounding struct {
	spaces bool // in namespaces of its own
	user   bool // among them a user namespace, in which it is nobody
	drop   bool // to the host's user nobody; only root can
}

// surroundings lists what to try, strictest first. The kernel refuses some of them depending on who we are, on sysctls
// and on the container that we run in; a binary that nobody may execute refuses others.
func surroundings(mode Mode) []surrounding {
	if mode == Off {
		return []surrounding{{}}
	}
	var list []surrounding
	root := os.Getuid() == 0
	if root {
		list = append(list, surrounding{spaces: true, user: true, drop: true})
	}
	list = append(list, surrounding{spaces: true, user: true})
	if root {
		list = append(list, surrounding{spaces: true, drop: true})
	}
	if mode == Require {
		return list
	}
	if root {
		list = append(list, surrounding{drop: true})
	}
	return append(list, surrounding{})
}

func (s surrounding) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.spaces {
		a.Cloneflags = namespaces()
	}
	if s.user {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		uid, gid := os.Getuid(), os.Getgid()
		if s.drop {
			uid, gid = nobody, nobody
		}
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: gid, Size: 1}}
		a.GidMappingsEnableSetgroups = s.drop
	}
	if s.drop {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody} // and no other groups
	}
	return a
}

// guard is one bit of shared.guards, and of what the parent knows from the surrounding.
type guard uint64

const (
	guardNamespaces guard = 1 << iota
	guardIdentity
	guardParent
	guardPrivileges
	guardLandlock
	guardSeccomp
	guardLimits
)

// guardTexts names the guards for operators, in the order in which a child puts them on.
var guardTexts = []struct {
	guard guard
	name  string
	hint  string // what to do when it is missing
}{
	{guardNamespaces, "namespaces", "allow user namespaces: sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1, " +
		"kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that lets clone through"},
	{guardIdentity, "identity", "run the service as an unprivileged user, or let the user nobody execute roomreel-render"},
	{guardParent, "parent_death", "use a kernel that sends the parent-death signal"},
	{guardPrivileges, "no_new_privs", "use Linux 3.17 or newer"},
	{guardLandlock, "landlock", "use Linux 5.13 or newer with landlock among the lsm= of its command line"},
	{guardSeccomp, "seccomp", "use a kernel with CONFIG_SECCOMP_FILTER, and a container that lets a process restrict itself"},
	{guardLimits, "limits", "raise the hard limits of the service: each must be at least what a child is given"},
}

// selfGuards are those which a child puts on itself.
const selfGuards = guardParent | guardPrivileges | guardLandlock | guardSeccomp | guardLimits

// guards returns those that the surrounding provides.
func (s surrounding) guards() guard {
	var g guard
	if s.spaces {
		g |= guardNamespaces
	}
	if s.user || s.drop || os.Getuid() != 0 {
		g |= guardIdentity
	}
	return g
}
