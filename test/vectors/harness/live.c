// Runs any number of cases on this host's processor at user level, in 64-bit, 32-bit or 16-bit code segments: cases on standard input, ends on standard output.
// Why one 64-bit program for all three: sigreturn loads CS and SS with the rest, so that no 32-bit C library is needed, and LDT segments give 16-bit code
// and segments with limits. INT3 behind the code ends a run. Why seccomp: a case that went astray could otherwise reach a system call.
// Usage: live 64|32|16. The formats are those of live/host-processor.ts; pages and segments those of live/layout.ts.
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096
#define CODE_PAGE 0x00400000u
#define CODE_BYTES (4 * PAGE)
#define DATA_PAGE 0x10000000u
#define READ_ONLY_PAGE 0x10002000u
#define FX_BYTES 464 /* of the FXSAVE image; the rest is the kernel's */
#define XSTATE_HEADER 512
#define YMM_AT 576
#define VECTOR_BYTES (512 + 256)
#define PAGES_KEPT 256
#define OUTPUT_BYTES (1 << 20)
#define ENDLESS 255 /* instead of a vector */

struct group {
    uint32_t codeLength, entry, cases, vectors;
};
struct input {
    uint64_t registers[16];
    uint64_t flags;
    uint32_t page;
    int32_t patchWord; /* of the data page, -1 none */
    uint64_t patchValue;
};
struct output {
    uint64_t registers[16];
    uint64_t flags, rip, cr2;
    uint32_t vector, error, changes, pad;
    uint16_t selectors[8]; /* ES CS SS DS FS GS */
};
struct change {
    uint32_t word, pad;
    uint64_t value;
};

static const int GREGS[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static uint8_t *in, *inEnd;
static uint8_t out[OUTPUT_BYTES];
static size_t outLength;
static struct group group;
static uint32_t casesLeft;
static uint8_t *codeAlias;
static const uint64_t *pages[PAGES_KEPT];
static uint64_t pageStore[PAGES_KEPT][PAGE / 8];
static uint64_t before[PAGE / 8];
static uint64_t casesDone, casesAtTick = ~0ull;
static int bits;
static uint16_t cs, ss, ds, fs, gs;
static uint64_t threadBase; /* of FS in 64-bit mode: the C library's */

static void fail(const char *what) { perror(what); exit(1); }

static long raw3(long n, long a, long b, long c)
{
    long r;
    asm volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}

static void flush(void)
{
    for (size_t at = 0; at < outLength;) {
        long n = raw3(SYS_write, 1, (long)(out + at), (long)(outLength - at));
        if (n <= 0) raw3(SYS_exit, 1, 0, 0);
        at += (size_t)n;
    }
    outLength = 0;
}

/* As pageWords in live/layout.ts. */
static const uint64_t *page(uint32_t number)
{
    if (pages[number]) return pages[number];
    uint64_t *w = pageStore[number];
    uint32_t x = number * 0x9e3779b1u + 1;
    static const uint64_t EDGES[16] = { 0, ~0ull, 0x8000000080000000, 0x7fffffff7fffffff, 0x8000000000000000, 0x3ff0000000000000, 0x7ff0000000000000,
                                        0x7ff8000000000001, 0xfff0000000000001, 0x0000000000000001, 0x3f8000007f800000, 0xff8000017fc00000,
                                        0x0000000100800000, 0x8080808080808080, 0x7fff80007fff8000, 0xc3e0000000000000 };
    for (int i = 0; i < PAGE / 8; i++) {
        x = x * 1664525u + 1013904223u;
        uint32_t lo = x ^ (x >> 15);
        x = x * 1664525u + 1013904223u;
        uint32_t hi = x ^ (x >> 13);
        uint64_t random = (uint64_t)hi << 32 | lo;
        switch (number & 7) {
        case 0: w[i] = 0; break;
        case 1: w[i] = ~0ull; break;
        case 2: w[i] = i ? w[0] : random; break;
        default: w[i] = (x >> 9 & 3) == 0 ? EDGES[x >> 12 & 15] : random;
        }
    }
    return pages[number] = w;
}

static int segmentsChanged(void)
{
    uint16_t d, e, f, g;
    asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" : "=r"(d), "=r"(e), "=r"(f), "=r"(g));
    return d | e | f | g;
}

static void load(ucontext_t *u)
{
    if (!casesLeft) {
        memset(codeAlias, 0xcc, CODE_BYTES);
        memcpy(&group, in, sizeof group);
        memcpy(codeAlias + group.entry, in + sizeof group, group.codeLength);
        in += sizeof group + ((group.codeLength + 7) & ~7u);
        casesLeft = group.cases;
    }
    struct input c;
    memcpy(&c, in, sizeof c);
    in += sizeof c;
    memcpy(before, page(c.page), PAGE);
    if (c.patchWord >= 0) before[c.patchWord] = c.patchValue;
    memcpy((void *)(uintptr_t)DATA_PAGE, before, PAGE);
    greg_t *g = u->uc_mcontext.gregs;
    for (int i = 0; i < 16; i++) g[GREGS[i]] = (greg_t)c.registers[i];
    g[REG_EFL] = (greg_t)(c.flags | 0x202);
    g[REG_RIP] = bits == 16 ? group.entry : CODE_PAGE + group.entry;
    g[REG_CSGSFS] = (greg_t)(cs | (uint64_t)ss << 48);
    if (group.vectors) {
        uint8_t *x = (uint8_t *)u->uc_mcontext.fpregs;
        memcpy(x, in, FX_BYTES);
        *(uint64_t *)(x + XSTATE_HEADER) |= 7;
        memcpy(x + YMM_AT, in + 512, 256);
        in += VECTOR_BYTES;
    }
    if (bits != 64) asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%fs; mov %2, %%gs" ::"r"(ds), "r"(fs), "r"(gs));
    else if (segmentsChanged()) {
        asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" ::"r"(0));
        asm volatile("wrfsbase %0; wrgsbase %1" ::"r"(threadBase), "r"((uint64_t)DATA_PAGE + 0x100));
    }
}

static void store(const ucontext_t *u)
{
    if (outLength + sizeof(struct output) + PAGE / 8 * sizeof(struct change) + VECTOR_BYTES > OUTPUT_BYTES) flush();
    struct output *o = (struct output *)(out + outLength);
    outLength += sizeof *o;
    const greg_t *g = u->uc_mcontext.gregs;
    for (int i = 0; i < 16; i++) o->registers[i] = (uint64_t)g[GREGS[i]];
    o->flags = (uint64_t)g[REG_EFL];
    o->rip = (uint64_t)g[REG_RIP];
    o->cr2 = (uint64_t)g[REG_CR2];
    o->vector = (uint32_t)g[REG_TRAPNO];
    o->error = (uint32_t)g[REG_ERR];
    o->changes = o->pad = 0;
    asm volatile("mov %%es, %0; mov %%ds, %1; mov %%fs, %2; mov %%gs, %3"
                 : "=m"(o->selectors[0]), "=m"(o->selectors[3]), "=m"(o->selectors[4]), "=m"(o->selectors[5]));
    o->selectors[1] = (uint16_t)g[REG_CSGSFS];
    o->selectors[2] = (uint16_t)((uint64_t)g[REG_CSGSFS] >> 48);
    o->selectors[6] = o->selectors[7] = 0;
    const uint64_t *after = (const uint64_t *)(uintptr_t)DATA_PAGE;
    for (uint32_t i = 0; i < PAGE / 8; i++) {
        if (before[i] == after[i]) continue;
        *(struct change *)(out + outLength) = (struct change){ i, 0, after[i] };
        outLength += sizeof(struct change);
        o->changes++;
    }
    if (group.vectors) {
        const uint8_t *x = (const uint8_t *)u->uc_mcontext.fpregs;
        uint64_t have = *(const uint64_t *)(x + XSTATE_HEADER);
        memcpy(out + outLength, x, 512);
        // A part in its initial state is not written by XSAVE.
        if (have & 4) memcpy(out + outLength + 512, x + YMM_AT, 256);
        else memset(out + outLength + 512, 0, 256);
        outLength += VECTOR_BYTES;
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    // A POPF under test may have left NT, AC or ID behind; sigreturn would keep them for the next case.
    asm volatile("pushfq; andq $~0x244000, (%%rsp); popfq" ::: "cc", "memory");
    (void)info;
    if (number == SIGVTALRM) {
        // Twice in the same case: it does not end.
        if (casesDone != casesAtTick) {
            casesAtTick = casesDone;
            return;
        }
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_TRAPNO] = ENDLESS;
    }
    if (number != SIGUSR1) { store(context); casesLeft--; casesDone++; }
    else if (raw3(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0)) raw3(SYS_exit, 3, 0, 0);
    if (!casesLeft && in == inEnd) {
        flush();
        raw3(SYS_exit, 0, 0, 0);
    }
    load(context);
}

enum { WIDE = 1, READ_OR_EXECUTE_ONLY = 2, ABSENT = 4, PAGES = 8 };
static void segment(unsigned entry, uint32_t base, uint32_t limit, unsigned contents, unsigned how)
{
    struct user_desc d = { .entry_number = entry, .base_addr = base, .limit = limit, .contents = contents, .seg_32bit = how & WIDE,
                           .read_exec_only = how / READ_OR_EXECUTE_ONLY, .seg_not_present = how / ABSENT, .limit_in_pages = how / PAGES, .useable = 1 };
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d)) fail("modify_ldt");
}

static void map(uint32_t at, int protection)
{
    void *p = mmap((void *)(uintptr_t)at, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != (void *)(uintptr_t)at) fail("mmap");
}

static void read_input(void)
{
    size_t size = 0, room = 1 << 20;
    in = malloc(room);
    for (ssize_t n; (n = read(0, in + size, room - size)) != 0; size += (size_t)n) {
        if (n < 0 || !in) fail("input");
        if (size + (size_t)n == room) in = realloc(in, room *= 2);
    }
    if (!size) exit(2);
    inEnd = in + size;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    bits = atoi(argv[1]);
    read_input();

    // The code page is not writable where it runs: cases that store there must fault as they do in the simulated processor.
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, CODE_BYTES)) fail("memfd");
    codeAlias = mmap(0, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *code = mmap((void *)(uintptr_t)CODE_PAGE, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    if (codeAlias == MAP_FAILED || code != (void *)(uintptr_t)CODE_PAGE) fail("code");
    map(DATA_PAGE, PROT_READ | PROT_WRITE);
    map(READ_ONLY_PAGE, PROT_READ | PROT_WRITE);
    memset((void *)(uintptr_t)READ_ONLY_PAGE, 0x5a, PAGE);
    mprotect((void *)(uintptr_t)READ_ONLY_PAGE, PAGE, PROT_READ);

    cs = bits == 64 ? 0x33 : bits == 32 ? 0x23 : 0x07;
    ss = ds = bits == 16 ? 0x0f : 0x2b;
    fs = 0x17;
    gs = 0x1f;
    segment(0, CODE_PAGE, 0xffff, MODIFY_LDT_CONTENTS_CODE, 0);
    segment(1, DATA_PAGE, 0xffff, MODIFY_LDT_CONTENTS_DATA, 0);
    segment(2, DATA_PAGE + 0x100, 0x9ff, MODIFY_LDT_CONTENTS_DATA, WIDE);
    segment(3, DATA_PAGE, 0x3ff, MODIFY_LDT_CONTENTS_STACK, WIDE);
    segment(4, DATA_PAGE, 0xffff, MODIFY_LDT_CONTENTS_DATA, READ_OR_EXECUTE_ONLY);
    segment(5, CODE_PAGE, 0xffff, MODIFY_LDT_CONTENTS_CODE, WIDE | READ_OR_EXECUTE_ONLY);
    segment(6, DATA_PAGE, 0xffff, MODIFY_LDT_CONTENTS_DATA, WIDE | ABSENT);
    segment(7, CODE_PAGE, 0xffff, MODIFY_LDT_CONTENTS_CODE, ABSENT);
    segment(8, CODE_PAGE, 0xffff, MODIFY_LDT_CONTENTS_CODE, WIDE);
    segment(9, DATA_PAGE, 0xbff, MODIFY_LDT_CONTENTS_DATA, 0);
    segment(10, DATA_PAGE, 0xf, MODIFY_LDT_CONTENTS_DATA, WIDE | PAGES);
    segment(11, CODE_PAGE, 0x1fff, MODIFY_LDT_CONTENTS_CODE, 0);
    if (bits == 64 && syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)DATA_PAGE + 0x100)) fail("arch_prctl");

    if (bits == 64) asm volatile("rdfsbase %0" : "=r"(threadBase));

    static uint8_t stack[1 << 18];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&alternate, 0);
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    static const int signals[] = { SIGUSR1, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGVTALRM };
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
    struct itimerval tick = { { 0, 20000 }, { 0, 20000 } };
    setitimer(ITIMER_VIRTUAL, &tick, 0);
    raise(SIGUSR1);
    return 1;
}
