// The timing guest: runs workloads one after the other and says on COM1 when each begins and ends, so that the host can time it.
//   HELLO bits command-line
//   B name                              begins
//   E name checksum ticks operations    ends; ticks by RDTSC, checksum the same on every correct machine
//   S name reason                       skipped
//   DONE
// Command line: run=a,b,c (default: all but those for two processors)  mul=N  div=N (repetitions)
#include "bench.h"

u64 operations;
static char commandLine[512];

enum need { ANYTHING, APIC, TWO_PROCESSORS };
static const struct { const char *name; u32 (*run)(u32); u32 reps; enum need need; } workloads[] = {
    { "crc", run_crc, 8000, ANYTHING }, { "crcpg", run_crcpg, 5000, ANYTHING }, { "sieve", run_sieve, 200, ANYTHING },
    { "dhry", run_dhry, 8000000, ANYTHING }, { "matmul", run_matmul, 1000, ANYTHING }, { "movs", run_movs, 60000, ANYTHING },
    { "stos", run_stos, 60000, ANYTHING }, { "qsort", run_qsort, 200, ANYTHING }, { "ptchurn", run_ptchurn, 8000, ANYTHING },
    { "cr3sw", run_cr3sw, 100000, ANYTHING }, { "outb", run_outb, 20000000, ANYTHING }, { "inb", run_inb, 20000000, ANYTHING },
    { "cpuid", run_cpuid, 100000000, ANYTHING }, { "lapic", run_lapic, 20000000, APIC }, { "int", run_int, 8000000, ANYTHING },
    { "fpsse", run_fpsse, 600, ANYTHING }, { "fpx87", run_fpx87, 300, ANYTHING }, { "fresh", run_fresh, 32, ANYTHING },
    { "cold1", run_cold1, 16, ANYTHING }, { "cold50", run_cold50, 10, ANYTHING }, { "smc", run_smc, 120000, ANYTHING },
    { "xadd1", run_xadd1, 300000000, ANYTHING }, { "tick1", run_tick1, 100000000, ANYTHING }, { "xadd2", run_xadd2, 100000000, TWO_PROCESSORS },
    { "tick2", run_tick2, 500000, TWO_PROCESSORS }, { "ping", run_ping, 400000, TWO_PROCESSORS }, { "pcrc", run_pcrc, 8000, TWO_PROCESSORS },
};

static struct {
    u16 low, selector, attributes, high;
#ifdef LONG
    u32 top, reserved;
#endif
} __attribute__((packed)) idt[256] __attribute__((aligned(16)));

static void gate_set(u32 vector, void (*handler)(void))
{
    uptr at = (uptr)handler;
    idt[vector].low = (u16)at;
    idt[vector].high = (u16)(at >> 16);
    idt[vector].attributes = 0x8E00;
    idt[vector].selector = sizeof(uptr) == 8 ? 0x18 : 0x08;
}

static u32 starts(const char *text, const char *word)
{
    while (*word) if (*text++ != *word++) return 0;
    return 1;
}
static u32 number(const char *text)
{
    u32 n = 0;
    while (*text >= '0' && *text <= '9') n = n * 10 + (u32)(*text++ - '0');
    return n;
}
static u32 selected(const char *list, const char *name)
{
    if (!list) return 1;
    while (*list && *list != ' ') {
        const char *n = name;
        while (*n && *list == *n) list++, n++;
        if (!*n && (!*list || *list == ',' || *list == ' ')) return 1;
        while (*list && *list != ',' && *list != ' ') list++;
        if (*list == ',') list++;
    }
    return 0;
}

static void skip(const char *name, const char *reason)
{
    print("S ");
    print(name);
    print(reason);
}

__attribute__((used)) void boot_main(void)
{
    for (u32 i = 0; i < 256; i++) gate_set(i, on_fault);
    gate_set(0x40, on_soft_interrupt);
    struct { u16 limit; uptr at; } __attribute__((packed)) idtr = { sizeof idt - 1, (uptr)idt };
    asm volatile("lidt %0" ::"m"(idtr));
    console_start();
    u32 *info = (u32 *)(uptr)multibootInfo;
    if (info && (info[0] & 4)) {
        const char *line = (const char *)(uptr)info[4];
        for (u32 i = 0; line[i] && i < sizeof commandLine - 1; i++) commandLine[i] = line[i];
    }
    const char *list = 0;
    u32 multiply = 1, divide = 1;
    for (char *s = commandLine; *s; s++) {
        if (s != commandLine && s[-1] != ' ') continue;
        if (starts(s, "run=")) list = s + 4;
        if (starts(s, "mul=")) multiply = number(s + 4);
        if (starts(s, "div=")) divide = number(s + 4);
    }
    if (!divide) divide = 1;
    print(sizeof(uptr) == 8 ? "HELLO 64 " : "HELLO 32 ");
    print(commandLine);
    print("\n");
    crc_start();
    u32 features[4];
    cpuid(1, features);
    u32 apic = features[3] >> 9 & 1;
    for (u32 i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        const char *name = workloads[i].name;
        enum need need = workloads[i].need;
        if (!selected(list, name) || (need == TWO_PROCESSORS && !list)) continue;
        if (need != ANYTHING && !apic) { skip(name, " no-apic\n"); continue; }
        if (need == TWO_PROCESSORS && !second_processor_start()) { skip(name, " no-second-cpu\n"); continue; }
        u32 reps = workloads[i].reps / divide * multiply;
        if (!reps) reps = 1;
        print("B ");
        print(name);
        print("\n");
        u64 start = rdtsc();
        u32 checksum = workloads[i].run(reps);
        u64 end = rdtsc();
        print("E ");
        print(name);
        print_character(' ');
        print_hex(checksum);
        print_character(' ');
        print_decimal(end - start);
        print_character(' ');
        print_decimal(operations);
        print_character('\n');
    }
    quit();
}
