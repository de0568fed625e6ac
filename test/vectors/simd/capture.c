// Runs SIMD instructions on this host's processor at user level: as ../harness/capture.c, with XMM, YMM, MMX and MXCSR loaded and stored
// through the extended state of the signal frame. Usage: capture IN OUT (arrays of the structures below).
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096
#define CODE_PAGE 0x00400000u
#define CODE_ENTRY 0x00400800u
#define DATA_PAGE 0x10000000u
#define MEMORY (DATA_PAGE + 0x800)
#define MEMORY_BYTES 128

struct state {
    uint64_t registers[16];
    uint64_t flags, rip;
    uint32_t mxcsr, vector;
    uint8_t ymm[16][32];
    uint8_t mm[8][8];
    uint8_t memory[MEMORY_BYTES];
    uint32_t codeLength;
    uint8_t code[28];
} __attribute__((packed));

#ifdef __x86_64__
static const int GREGS[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
#define REGISTERS 16
#define IP REG_RIP
#define FX_OFFSET 0
#define WORD uint64_t
#else
static const int GREGS[8] = { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };
#define REGISTERS 8
#define IP REG_EIP
// The frame of a 32-bit program begins with an FSAVE image.
#define FX_OFFSET 112
#define WORD uint32_t
#endif
// FXSAVE image: MXCSR, ST/MM registers, XMM registers; behind it the XSAVE header and the upper halves (SDM 1 13.4).
#define FX_FTW 4
#define FX_MXCSR 24
#define FX_ST 32
#define FX_XMM 160
#define FSAVE_STATUS 4
#define FSAVE_TAGS 8
#define FSAVE_ST 28
#define XSTATE_BV 512
#define XSAVE_YMM 576

static const struct state *inputs;
static struct state *outputs;
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
    const struct state *in = &inputs[current];
    memset((void *)(uintptr_t)CODE_PAGE, 0xcc, PAGE);
    memcpy((void *)(uintptr_t)CODE_ENTRY, in->code, in->codeLength);
    memset((void *)(uintptr_t)DATA_PAGE, 0, PAGE);
    memcpy((void *)(uintptr_t)MEMORY, in->memory, MEMORY_BYTES);
    for (int i = 0; i < REGISTERS; i++) u->uc_mcontext.gregs[GREGS[i]] = (greg_t)in->registers[i];
    u->uc_mcontext.gregs[REG_EFL] = (greg_t)(in->flags | 0x202);
    u->uc_mcontext.gregs[IP] = CODE_ENTRY;
    uint8_t *fx = (uint8_t *)u->uc_mcontext.fpregs + FX_OFFSET;
    fx[FX_FTW] = 0xff;
    fx[2] = fx[3] = 0;
    memcpy(fx + FX_MXCSR, &in->mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        memcpy(fx + FX_ST + 16 * i, in->mm[i], 8);
        memset(fx + FX_ST + 16 * i + 8, 0xff, 2);
    }
#ifndef __x86_64__
    // A 32-bit program's x87 registers come from the FSAVE image: tag word, then ten bytes a register.
    uint8_t *old = (uint8_t *)u->uc_mcontext.fpregs;
    memset(old + FSAVE_STATUS, 0, 4);
    memset(old + FSAVE_TAGS, 0, 4);
    for (int i = 0; i < 8; i++) {
        memcpy(old + FSAVE_ST + 10 * i, in->mm[i], 8);
        memset(old + FSAVE_ST + 10 * i + 8, 0xff, 2);
    }
#endif
    for (int i = 0; i < REGISTERS; i++) {
        memcpy(fx + FX_XMM + 16 * i, in->ymm[i], 16);
        memcpy(fx + XSAVE_YMM + 16 * i, in->ymm[i] + 16, 16);
    }
    uint64_t bv;
    memcpy(&bv, fx + XSTATE_BV, 8);
    bv |= 7;
    memcpy(fx + XSTATE_BV, &bv, 8);
}

static void store(const ucontext_t *u)
{
    struct state *out = &outputs[current];
    for (int i = 0; i < REGISTERS; i++) out->registers[i] = (WORD)u->uc_mcontext.gregs[GREGS[i]];
    out->flags = (WORD)u->uc_mcontext.gregs[REG_EFL];
    out->rip = (WORD)u->uc_mcontext.gregs[IP];
    out->vector = (uint32_t)u->uc_mcontext.gregs[REG_TRAPNO];
    const uint8_t *fx = (const uint8_t *)u->uc_mcontext.fpregs + FX_OFFSET;
    uint64_t bv;
    memcpy(&bv, fx + XSTATE_BV, 8);
    memcpy(&out->mxcsr, fx + FX_MXCSR, 4);
    // TOP after MMX instructions is 0, but one that has not run yet leaves what `load` set, which is 0 too.
    for (int i = 0; i < 8; i++)
        if (bv & 1) memcpy(out->mm[i], fx + FX_ST + 16 * i, 8);
    for (int i = 0; i < REGISTERS; i++) {
        if (bv & 2) memcpy(out->ymm[i], fx + FX_XMM + 16 * i, 16);
        if (bv & 4) memcpy(out->ymm[i] + 16, fx + XSAVE_YMM + 16 * i, 16);
    }
    memcpy(out->memory, (void *)(uintptr_t)MEMORY, MEMORY_BYTES);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)info;
    if (number != SIGUSR1) { store(context); current++; }
    if (current == count) finish();
    load(context);
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
    static uint8_t stack[1 << 18];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&alternate, 0);
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    static const int signals[] = { SIGUSR1, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
    alarm(300);
    raise(SIGUSR1);
    return 1;
}
