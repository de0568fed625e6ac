// Runs SSE scalar operations on this processor: reads records of (u32 operation, u32 mxcsr, u64 a, u64 b), writes (u64 result, u32 flags, u32 trapped).
// Why apart from capture.c: no code, no memory, no registers to set up, so that hundreds of thousands of cases take no time.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

struct in { uint32_t op, mxcsr; uint64_t a, b; };
struct out { uint64_t result; uint32_t flags, trapped; };

static sigjmp_buf resume;
static volatile uint32_t trapped_flags;

static void on_fpe(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    trapped_flags = u->uc_mcontext.fpregs->mxcsr & 63;
    siglongjmp(resume, 1);
}

#define TWO(n, name) case n: __asm__ volatile(#name " %1, %0" : "+x"(x) : "x"(y)); break;
#define ONE(n, name) case n: __asm__ volatile(#name " %1, %0" : "=x"(x) : "x"(x)); break;
#define TO(n, name) case n: r = 0; __asm__ volatile(#name " %1, %k0" : "=r"(r) : "x"(x)); integer = 1; break;
#define TOQ(n, name) case n: __asm__ volatile(#name " %1, %q0" : "=r"(r) : "x"(x)); integer = 1; break;
#define FROM(n, name) case n: x = (__typeof__(x)){0}; __asm__ volatile(#name " %q1, %0" : "+x"(x) : "r"(in->a)); break;
#define CMP(n, name) case n: { uint64_t f; __asm__ volatile(#name " %2, %1; pushfq; popq %0" : "=r"(f) : "x"(x), "x"(y) : "cc", "memory"); \
    r = f & 4 ? 3 : f & 1 ? 0 : f & 64 ? 1 : 2; integer = 1; break; }
#define ROUND(n, name, i) case n + i: __asm__ volatile(#name " $" #i ", %1, %0" : "=x"(x) : "x"(x)); break;
#define ROUNDS(n, name) ROUND(n, name, 0) ROUND(n, name, 1) ROUND(n, name, 2) ROUND(n, name, 3) ROUND(n, name, 4) ROUND(n, name, 8) ROUND(n, name, 12)

typedef double v2 __attribute__((vector_size(16)));

static uint64_t run(const struct in *in)
{
    v2 x, y;
    uint64_t r = 0;
    int integer = 0;
    uint64_t xs[2] = {in->a, 0}, ys[2] = {in->b, 0};
    memcpy(&x, xs, 16);
    memcpy(&y, ys, 16);
    uint32_t mxcsr = in->mxcsr;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    switch (in->op) {
    TWO(0, addsd) TWO(1, subsd) TWO(2, mulsd) TWO(3, divsd) TWO(4, addss) TWO(5, subss) TWO(6, mulss) TWO(7, divss)
    ONE(8, sqrtsd) ONE(9, sqrtss) TWO(10, minsd) TWO(11, maxsd) TWO(12, minss) TWO(13, maxss)
    CMP(14, ucomisd) CMP(15, comisd) CMP(16, ucomiss) CMP(17, comiss)
    ONE(18, cvtsd2ss) ONE(19, cvtss2sd)
    TO(20, cvtsd2si) TOQ(21, cvtsd2si) TO(22, cvttsd2si) TOQ(23, cvttsd2si) TO(24, cvtss2si) TOQ(25, cvtss2si) TO(26, cvttss2si) TOQ(27, cvttss2si)
    FROM(28, cvtsi2sdq) FROM(29, cvtsi2ssq)
    ROUNDS(32, roundsd) ROUNDS(48, roundss)
    }
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    trapped_flags = mxcsr & 63;
    memcpy(xs, &x, 16);
    return integer ? r : xs[0];
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGFPE, &action, NULL);
    struct in in;
    while (fread(&in, sizeof in, 1, stdin) == 1) {
        struct out out = {0};
        if (sigsetjmp(resume, 1) == 0)
            out.result = run(&in);
        else
            out.trapped = 1;
        uint32_t normal = 0x1f80;
        __asm__ volatile("ldmxcsr %0" ::"m"(normal));
        out.flags = trapped_flags;
        fwrite(&out, sizeof out, 1, stdout);
    }
    return 0;
}
