package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The filter is an allow-list: what the Go runtime, the C library's allocator and threads, and codecs call once they
// are loaded. Everything else fails with EPERM and does not kill, because both runtimes probe for what they can do
// without. In particular there is no way to open a file, make a socket or a process, or run a program.

// plainCalls are allowed whatever their arguments. Calls that one architecture lacks are in archCalls.
var plainCalls = []uint32{
	// the pipes, and files open at the start (the Go runtime re-reads its cgroup's processor quota)
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_FSTAT,
	unix.SYS_LSEEK, unix.SYS_FCNTL, unix.SYS_DUP3,
	// memory; those that can make it executable are below
	unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_MINCORE,
	// threads
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER,
	unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_GETCPU, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	// signals to itself
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING, unix.SYS_SIGALTSTACK,
	unix.SYS_RESTART_SYSCALL,
	// time
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
	unix.SYS_TIMES,
	// the Go runtime's network poller, which it starts for timers too
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL,
	// information about itself and the size of the machine
	unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE, unix.SYS_SYSINFO,
}

// deviceCalls are allowed besides, when a device is configured: its driver opens the device's files again and controls them. Landlock
// decides which files those are.
var deviceCalls = []uint32{unix.SYS_OPENAT, unix.SYS_IOCTL}

const (
	// threadFlags are the bits of clone that decide whether a thread or something else comes of it.
	threadFlags = unix.CLONE_THREAD | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
		unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP | unix.CLONE_PTRACE

	retAllow = unix.SECCOMP_RET_ALLOW
	retEPERM = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
)

// Offsets in struct seccomp_data (linux/seccomp.h). Arguments are 64 bits wide, little endian on what we support.
const (
	offsetCall = 0
	offsetArch = 4
	offsetArgs = 16
)

func offsetLow(arg uint32) uint32  { return offsetArgs + 8*arg }
func offsetHigh(arg uint32) uint32 { return offsetArgs + 8*arg + 4 }

// filterCalls installs the filter on all threads. The kernel sets no_new_privs on them along with it.
func filterCalls(device bool) error {
	runtime.LockOSThread() // the two calls must come from one thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	filter := callFilter(uint32(os.Getpid()), device)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	return nil
}

// callFilter assembles the filter for the process pid. Each rule is a block of its own that ends in a ret, so that
// no jump is longer than its block.
func callFilter(pid uint32, device bool) []unix.SockFilter {
	var f []unix.SockFilter
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	and := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: k}
	}
	// block handles one call by the given steps. Each path through them ends in a ret.
	block := func(call uint32, steps ...unix.SockFilter) {
		f = append(f, equal(call, 0, uint8(len(steps))))
		f = append(f, steps...)
	}

	f = append(f,
		load(offsetArch), equal(auditArch, 1, 0), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offsetCall))
	calls := slices.Concat(plainCalls, archCalls)
	if device {
		calls = append(calls, deviceCalls...)
	}
	for _, call := range calls {
		block(call, ret(retAllow))
	}
	// Memory that is executable is never made: a codec's hole cannot bring its own code.
	for _, call := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT} {
		block(call, load(offsetLow(2)), and(unix.PROT_EXEC), equal(0, 0, 1), ret(retAllow), ret(retEPERM))
	}
	// Threads, but neither processes nor namespaces. clone3 hides its flags in memory: the C library falls back when
	// it does not exist.
	block(unix.SYS_CLONE, load(offsetLow(0)), and(threadFlags), equal(unix.CLONE_THREAD, 0, 1), ret(retAllow), ret(retEPERM))
	block(unix.SYS_CLONE3, ret(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
	// Signals to its own threads: how the Go runtime preempts, and how it dies.
	block(unix.SYS_TGKILL, load(offsetLow(0)), equal(pid, 0, 1), ret(retAllow), ret(retEPERM))
	// Limits may be read, its own only.
	block(unix.SYS_PRLIMIT64, load(offsetLow(0)), equal(0, 0, 5), load(offsetLow(2)), equal(0, 0, 3),
		load(offsetHigh(2)), equal(0, 0, 1), ret(retAllow), ret(retEPERM))
	// Threads may be named, so that a process list is readable.
	block(unix.SYS_PRCTL, load(offsetLow(0)), equal(unix.PR_SET_NAME, 0, 1), ret(retAllow), ret(retEPERM))
	return append(f, ret(retEPERM))
}
