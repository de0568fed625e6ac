// What the agent asks of Linux: system calls by number (arch/x86/entry/syscalls), and the few constants of its headers.
#pragma once
#include "cpu.h"

long system_call(long number, long a, long b, long c, long d, long e, long f);
// A new thread of control on the stack whose end that is; `begin` must not return. With `stack` 0 and no CLONE_VM: on a copy of the caller's.
long spawn(long flags, void *stack, void (*begin)(long), long argument);

#ifdef LONG
enum { READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, MMAP = 9, MUNMAP = 11, SIGPROCMASK = 14, NANOSLEEP = 35, CLONE = 56, EXECVE = 59, EXIT = 60, WAIT4 = 61,
       FUTEX = 202, SETAFFINITY = 203, GETAFFINITY = 204, CLOCK_GETTIME = 228, PRCTL = 157, PPOLL = 271, SIGNALFD = 289, DUP3 = 292, PIPE2 = 293 };
#else
enum { READ = 3, WRITE = 4, OPEN = 5, CLOSE = 6, MMAP = 192, MUNMAP = 91, SIGPROCMASK = 175, NANOSLEEP = 162, CLONE = 120, EXECVE = 11, EXIT = 1, WAIT4 = 114,
       FUTEX = 240, SETAFFINITY = 241, GETAFFINITY = 242, CLOCK_GETTIME = 265, PRCTL = 172, PPOLL = 309, SIGNALFD = 327, DUP3 = 330, PIPE2 = 331 };
#endif
enum { O_RDONLY = 0, O_RDWR = 2, O_CLOEXEC = 02000000 };
enum { PROT_READ_WRITE = 3, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };
enum { SIGKILL = 9, SIGCHLD = 17, PR_SET_PDEATHSIG = 1, SIG_BLOCK = 0, SIG_SETMASK = 2 };
enum { CLONE_VM = 0x100 };
enum { WNOHANG = 1 };
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };
enum { CLOCK_MONOTONIC = 1, POLLIN = 1 };
enum { PAGE = 4096 };

struct timespec { long seconds, nanoseconds; };
struct pollfd { s32 fd; short events, revents; };

#define CALL1(n, a) system_call(n, (long)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b) system_call(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) system_call(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL4(n, a, b, c, d) system_call(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define CALL5(n, a, b, c, d, e) system_call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline void *map(uptr bytes, long sharing)
{
    long at = system_call(MMAP, 0, (long)bytes, PROT_READ_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    return (uptr)at >= (uptr)-PAGE ? (void *)0 : (void *)at;
}
static inline void leave(long status) { for (;;) CALL1(EXIT, status); }
static inline void nap(long milliseconds)
{
    struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    CALL2(NANOSLEEP, &t, 0);
}
