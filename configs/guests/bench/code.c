// Code that is made at run time: fresh (never seen before, run once), cold1 and cold50 (rewritten, run once or fifty times), smc (one constant patched).
#include "bench.h"

#define FUNCTIONS 4096u
#define FUNCTION_SIZE 64u
#define FRESH_MAX 32u
static u8 codeArea[FUNCTIONS * FUNCTION_SIZE] __attribute__((aligned(4096)));
static u8 freshAreas[FRESH_MAX][FUNCTIONS * FUNCTION_SIZE] __attribute__((aligned(4096)));

static void put(u8 *at, u32 value) { *(u32 *)at = value; }

static void generate(u8 *base, u32 seed)
{
    for (u32 f = 0; f < FUNCTIONS; f++) {
        u8 *p = base + f * FUNCTION_SIZE;
        u32 k = seed * 2654435761u + f * 40503u;
        p[0] = 0x05; put(p + 1, k);                         // add eax, k
        p[5] = 0x35; put(p + 6, k * 3);                     // xor eax, 3k
        p[10] = 0x69; p[11] = 0xC0; put(p + 12, k | 1);     // imul eax, eax, k | 1
        p[16] = 0xA8; p[17] = 0x01;                         // test al, 1
        p[18] = 0x74; p[19] = 0x05;                         // jz +5
        p[20] = 0x05; put(p + 21, k ^ 0x1234567);           // add eax, k ^ 1234567h
        p[25] = 0x89; p[26] = 0xC1;                         // mov ecx, eax
        p[27] = 0xC1; p[28] = 0xE9; p[29] = 0x03;           // shr ecx, 3
        p[30] = 0x01; p[31] = 0xC8;                         // add eax, ecx
        p[32] = 0xC3;                                       // ret
    }
}

static inline u32 call(void *function, u32 x)
{
    asm volatile("call *%1" : "+a"(x) : "r"(function) : "ecx", "memory", "cc");
    return x;
}

static u32 cold(u32 reps, u32 times)
{
    u32 x = 1;
    operations = (u64)reps * FUNCTIONS * times;
    for (u32 r = 0; r < reps; r++) {
        generate(codeArea, r + 1);
        for (u32 t = 0; t < times; t++)
            for (u32 f = 0; f < FUNCTIONS; f++) x = call(codeArea + f * FUNCTION_SIZE, x);
    }
    return x;
}
u32 run_cold1(u32 reps) { return cold(reps, 1); }
u32 run_cold50(u32 reps) { return cold(reps, 50); }

u32 run_fresh(u32 reps)
{
    u32 x = 1;
    if (reps > FRESH_MAX) reps = FRESH_MAX;
    operations = (u64)reps * FUNCTIONS;
    for (u32 r = 0; r < reps; r++) {
        generate(freshAreas[r], r + 1);
        for (u32 f = 0; f < FUNCTIONS; f++) x = call(freshAreas[r] + f * FUNCTION_SIZE, x);
    }
    return x;
}

u32 run_smc(u32 reps)
{
    u32 sum = 0;
    operations = reps;
    codeArea[0] = 0xB8;                                     // mov eax, i
    codeArea[5] = 0xC3;                                     // ret
    for (u32 i = 0; i < reps; i++) {
        *(volatile u32 *)(codeArea + 1) = i;
        sum += call(codeArea, 0);
    }
    return sum;
}
