// The workloads of the bench guests as an ordinary program of the host: what the same code takes with no machine simulated round it.
// Same sources, same compiler flags, same words on standard output as the guest has on COM1. What needs a bare machine (paging, ports, APIC, interrupts) is left out.
// Arguments as on the guest's command line: run=a,b,c div=N
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bench.h"

u64 operations;
// Nothing of these is used here: the second processor is a thread.
char trampoline[1], trampolineEnd[1];
void second_main(void);

// Repetitions as in the guest's own table (configs/guests/bench/main.c).
static const struct { const char *name; u32 (*run)(u32); u32 reps; int two; } workloads[] = {
    { "crc", run_crc, 8000, 0 }, { "sieve", run_sieve, 200, 0 }, { "dhry", run_dhry, 8000000, 0 }, { "matmul", run_matmul, 1000, 0 },
    { "movs", run_movs, 60000, 0 }, { "stos", run_stos, 60000, 0 }, { "qsort", run_qsort, 200, 0 }, { "fpsse", run_fpsse, 600, 0 },
    { "fpx87", run_fpx87, 300, 0 }, { "fresh", run_fresh, 32, 0 }, { "cold1", run_cold1, 16, 0 }, { "cold50", run_cold50, 10, 0 },
    { "smc", run_smc, 120000, 0 }, { "xadd1", run_xadd1, 300000000, 0 }, { "tick1", run_tick1, 100000000, 0 }, { "xadd2", run_xadd2, 100000000, 1 },
    { "tick2", run_tick2, 500000, 1 }, { "ping", run_ping, 400000, 1 }, { "pcrc", run_pcrc, 8000, 1 },
};

static void *second(void *unused)
{
    second_main();
    return unused;
}
u32 second_processor_start(void)
{
    static pthread_t thread;
    return thread || !pthread_create(&thread, 0, second, 0);
}

static int selected(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : 0)
        if (!strncmp(at, name, length) && (at[length] == ',' || !at[length])) return 1;
    return 0;
}

// Code is written into variables (code.c): they must be executable.
static int open_variables(void)
{
    extern char __bss_start[], _end[];
    uptr from = (uptr)__bss_start & ~4095ul;
    return mprotect((void *)from, (uptr)_end - from, PROT_READ | PROT_WRITE | PROT_EXEC);
}

int main(int count, char **arguments)
{
    const char *list = "";
    u32 divide = 1;
    for (int i = 1; i < count; i++) {
        if (!strncmp(arguments[i], "run=", 4)) list = arguments[i] + 4;
        if (!strncmp(arguments[i], "div=", 4)) divide = (u32)atoi(arguments[i] + 4);
    }
    if (!divide || open_variables()) return 1;
    setvbuf(stdout, 0, _IONBF, 0);
    printf("HELLO %d native\n", (int)sizeof(uptr) * 8);
    crc_start();
    for (u32 i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (!selected(list, workloads[i].name)) continue;
        if (workloads[i].two && !second_processor_start()) return 1;
        u32 reps = workloads[i].reps / divide;
        printf("B %s\n", workloads[i].name);
        u64 start = rdtsc();
        u32 checksum = workloads[i].run(reps ? reps : 1);
        u64 end = rdtsc();
        printf("E %s %08x %llu %llu\n", workloads[i].name, checksum, end - start, operations);
    }
    puts("DONE");
    return 0;
}
