package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// archCalls are those that only this architecture has. Calls of the x32 ABI carry a bit that no number here has.
var archCalls = []uint32{
	unix.SYS_POLL, unix.SYS_EPOLL_WAIT, unix.SYS_DUP2, unix.SYS_TIME, unix.SYS_ARCH_PRCTL,
}
