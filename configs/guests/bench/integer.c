// Integer loops: crc (table CRC-32), sieve, matmul, movs and stos (REP), qsort (recursion and calls through pointers).
#include "bench.h"

u8 crcBytes[CRC_BYTES] __attribute__((aligned(4096)));
u8 scratch[65536] __attribute__((aligned(4096)));
u32 crcTable[256];

void crc_start(void)
{
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (u32 k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        crcTable[i] = c;
    }
    u32 x = 1;
    for (u32 i = 0; i < CRC_BYTES; i++) { x = x * 1103515245u + 12345u; crcBytes[i] = (u8)(x >> 16); }
}

u32 crc_bytes(u32 reps)
{
    u32 c = ~0u;
    while (reps--)
        for (u32 i = 0; i < CRC_BYTES; i++) c = crcTable[(c ^ crcBytes[i]) & 255] ^ (c >> 8);
    return ~c;
}
u32 run_crc(u32 reps)
{
    operations = (u64)reps * CRC_BYTES;
    return crc_bytes(reps);
}

#define SIEVE_SIZE 1000000u
static u8 composite[SIEVE_SIZE];
u32 run_sieve(u32 reps)
{
    u32 primes = 0;
    operations = reps;
    while (reps--) {
        for (u32 i = 0; i < SIEVE_SIZE; i++) composite[i] = 1;
        for (u32 i = 2; i * i < SIEVE_SIZE; i++)
            if (composite[i]) for (u32 j = i * i; j < SIEVE_SIZE; j += i) composite[j] = 0;
        primes = 0;
        for (u32 i = 2; i < SIEVE_SIZE; i++) primes += composite[i];
    }
    return primes;
}

#define ORDER 96
static int left[ORDER][ORDER], right[ORDER][ORDER], product[ORDER][ORDER];
u32 run_matmul(u32 reps)
{
    u32 sum = 0;
    operations = (u64)reps * ORDER * ORDER * ORDER;
    for (int i = 0; i < ORDER; i++)
        for (int j = 0; j < ORDER; j++) { left[i][j] = i * 3 + j; right[i][j] = i ^ (j * 7); }
    while (reps--) {
        for (int i = 0; i < ORDER; i++)
            for (int j = 0; j < ORDER; j++) {
                int s = 0;
                for (int k = 0; k < ORDER; k++) s += left[i][k] * right[k][j];
                product[i][j] = s;
            }
        sum += (u32)product[reps % ORDER][5];
        left[1][1] = (int)sum;
    }
    return sum;
}

u32 run_movs(u32 reps)
{
    operations = (u64)reps * 65536;
    while (reps--) {
        void *to = scratch, *from = crcBytes;
        uptr n = 16384;
        asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n)::"memory");
    }
    return *(u32 *)(scratch + 1000);
}
u32 run_stos(u32 reps)
{
    operations = (u64)reps * 65536;
    while (reps--) {
        void *to = scratch;
        uptr n = 16384;
        asm volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(reps) : "memory");
    }
    return *(u32 *)(scratch + 1000);
}

typedef int (*comparison)(const u32 *, const u32 *);
static NOINLINE int upward(const u32 *a, const u32 *b) { return *a < *b ? -1 : *a > *b; }
static NOINLINE int downward(const u32 *a, const u32 *b) { return *a > *b ? -1 : *a < *b; }
static NOINLINE int low_half(const u32 *a, const u32 *b) { return (int)(*a & 0xffff) - (int)(*b & 0xffff); }
static comparison volatile comparisons[3] = { upward, downward, low_half };
static void sort(u32 *v, int lo, int hi, comparison compare)
{
    while (lo < hi) {
        u32 pivot = v[lo + (hi - lo) / 2];
        int i = lo, j = hi;
        while (i <= j) {
            while (compare(&v[i], &pivot) < 0) i++;
            while (compare(&v[j], &pivot) > 0) j--;
            if (i <= j) { u32 t = v[i]; v[i] = v[j]; v[j] = t; i++; j--; }
        }
        if (j - lo < hi - i) { sort(v, lo, j, compare); lo = i; }
        else { sort(v, i, hi, compare); hi = j; }
    }
}
u32 run_qsort(u32 reps)
{
    u32 *v = (u32 *)scratch, n = 16384, sum = 0, random = 99;
    operations = reps;
    for (u32 r = 0; r < reps; r++) {
        for (u32 i = 0; i < n; i++) v[i] = random = random * 1664525u + 1013904223u;
        sort(v, 0, (int)n - 1, comparisons[r % 3]);
        sum = sum * 33 + v[r % n] + v[n / 2];
    }
    return sum;
}
