// Runs machine code on this host's processor at user level and writes down what it did: registers, flags, memory, or the exception.
// Why by signals: sigreturn loads all registers at once, RSP and flags included, and the code needs no epilogue; INT3 behind it ends a run.
// Built as 64-bit and, with -m32, as compatibility-mode program. Usage: capture IN OUT (arrays of the structures below).
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096
#define CODE_PAGE 0x00400000u
#define CODE_ENTRY 0x00400800u
#define DATA_PAGE 0x10000000u
#define READ_ONLY_PAGE 0x10002000u
#define SEGMENT_BASE (DATA_PAGE + 0x100)

struct input {
    uint64_t registers[16];
    uint64_t flags;
    uint32_t codeLength;
    uint8_t code[60];
    uint8_t memory[PAGE];
} __attribute__((packed));
struct output {
    uint64_t registers[16];
    uint64_t flags, rip, cr2;
    uint32_t vector, error;
    uint8_t memory[PAGE];
} __attribute__((packed));

#ifdef __x86_64__
static const int GREGS[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
#define REGISTERS 16
#define IP REG_RIP
#define CR2(u) ((uint64_t)(u)->uc_mcontext.gregs[REG_CR2])
#define WORD uint64_t
#else
static const int GREGS[8] = { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };
#define REGISTERS 8
#define IP REG_EIP
#define CR2(u) ((uint64_t)(u)->uc_mcontext.cr2)
#define WORD uint32_t
#endif

static const struct input *inputs;
static struct output *outputs;
static size_t count, current;
static const char *outputPath;

static void fail(const char *what) { perror(what); exit(1); }

static void map(uint32_t at, int protection)
{
    void *p = mmap((void *)(uintptr_t)at, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != (void *)(uintptr_t)at) fail("mmap");
}

static void finish(void)
{
    int fd = open(outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const char *p = (const char *)outputs;
    for (size_t left = count * sizeof *outputs; left;) {
        ssize_t n = write(fd, p, left);
        if (n <= 0) fail("write");
        p += n;
        left -= (size_t)n;
    }
    _exit(0);
}

static void load(ucontext_t *u)
{
    const struct input *in = &inputs[current];
    memset((void *)(uintptr_t)CODE_PAGE, 0xcc, PAGE);
    memcpy((void *)(uintptr_t)CODE_ENTRY, in->code, in->codeLength);
    memcpy((void *)(uintptr_t)DATA_PAGE, in->memory, PAGE);
    for (int i = 0; i < REGISTERS; i++) u->uc_mcontext.gregs[GREGS[i]] = (greg_t)in->registers[i];
    u->uc_mcontext.gregs[REG_EFL] = (greg_t)(in->flags | 0x202);
    u->uc_mcontext.gregs[IP] = CODE_ENTRY;
}

static void store(const ucontext_t *u)
{
    struct output *out = &outputs[current];
    for (int i = 0; i < REGISTERS; i++) out->registers[i] = (WORD)u->uc_mcontext.gregs[GREGS[i]];
    out->flags = (WORD)u->uc_mcontext.gregs[REG_EFL];
    out->rip = (WORD)u->uc_mcontext.gregs[IP];
    out->cr2 = CR2(u);
    out->vector = (uint32_t)u->uc_mcontext.gregs[REG_TRAPNO];
    out->error = (uint32_t)u->uc_mcontext.gregs[REG_ERR];
    memcpy(out->memory, (void *)(uintptr_t)DATA_PAGE, PAGE);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    // A POPF under test may have left NT, AC or ID behind; sigreturn would keep them for the next vector.
#ifdef __x86_64__
    asm volatile("pushfq; andq $~0x244000, (%%rsp); popfq" ::: "cc", "memory");
#else
    asm volatile("pushfl; andl $~0x244000, (%%esp); popfl" ::: "cc", "memory");
#endif
    (void)info;
    if (number != SIGUSR1) { store(context); current++; }
    if (current == count) finish();
    load(context);
}

// A data segment base that user code can have: GS in 64-bit mode, FS in 32-bit mode (the other one is the C library's).
static void set_segment_base(void)
{
#ifdef __x86_64__
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)SEGMENT_BASE)) fail("arch_prctl");
#else
    struct user_desc d = { .entry_number = -1u, .base_addr = SEGMENT_BASE, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };
    if (syscall(SYS_set_thread_area, &d)) fail("set_thread_area");
    asm volatile("movw %w0, %%fs" ::"r"(d.entry_number * 8 + 3));
#endif
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    int fd = open(argv[1], O_RDONLY);
    struct stat s;
    if (fd < 0 || fstat(fd, &s)) fail(argv[1]);
    count = (size_t)s.st_size / sizeof *inputs;
    if (!count) return 2;
    inputs = mmap(0, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    outputs = calloc(count, sizeof *outputs);
    if (inputs == MAP_FAILED || !outputs) fail("memory");
    outputPath = argv[2];

    map(CODE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    map(DATA_PAGE, PROT_READ | PROT_WRITE);
    map(READ_ONLY_PAGE, PROT_READ | PROT_WRITE);
    memset((void *)(uintptr_t)READ_ONLY_PAGE, 0x5a, PAGE);
    mprotect((void *)(uintptr_t)READ_ONLY_PAGE, PAGE, PROT_READ);
    set_segment_base();

    static uint8_t stack[1 << 18];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&alternate, 0);
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    static const int signals[] = { SIGUSR1, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
    alarm(60);
    raise(SIGUSR1);
    return 1;
}
