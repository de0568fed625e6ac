// What leaves the processor: port writes and reads, CPUID, local APIC registers, software interrupts.
#include "bench.h"

volatile u32 softInterrupts;

u32 run_outb(u32 reps)
{
    operations = reps;
    for (u32 i = 0; i < reps; i++) outb(0x80, (u8)i);
    return reps;
}
u32 run_inb(u32 reps)
{
    u32 sum = 0;
    operations = reps;
    for (u32 i = 0; i < reps; i++) sum += inb(0x3fd) & 0x20;
    return sum;
}
u32 run_cpuid(u32 reps)
{
    u32 answer[4];
    operations = reps;
    for (u32 i = 0; i < reps; i++) cpuid(0, answer);
    return reps;
}
u32 run_lapic(u32 reps)
{
    u32 sum = 0;
    operations = reps;
    for (u32 i = 0; i < reps; i++) { LAPIC[0xb0 / 4] = 0; sum += LAPIC[0x30 / 4] & 0x10; }
    return sum;
}
u32 run_int(u32 reps)
{
    operations = reps;
    softInterrupts = 0;
    for (u32 i = 0; i < reps; i++) asm volatile("int $0x40" ::: "memory");
    return softInterrupts;
}
