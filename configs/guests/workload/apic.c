// Local APIC in xAPIC (memory) or x2APIC (MSR) mode, its timer, and one I/O APIC route (SDM 3A 11; I/O APIC 82093AA).
#include "kernel.h"

#define IA32_APIC_BASE 0x1b
#define IA32_TSC_DEADLINE 0x6e0
#define ID 0x20
#define VERSION 0x30
#define TPR 0x80
#define EOI 0xb0
#define SVR 0xf0
#define ESR 0x280
#define ICR 0x300
#define ICR_HIGH 0x310
#define LVT_TIMER 0x320
#define LVT_LINT0 0x350
#define LVT_LINT1 0x360
#define LVT_ERROR 0x370
#define TIMER_INITIAL 0x380
#define TIMER_CURRENT 0x390
#define TIMER_DIVIDE 0x3e0
#define MASKED 0x10000
#define DELIVERY_PENDING 0x1000

u32 x2apic;
u32 cyclesPerTick16 = 0x10000;
static uptr base;

static u32 read(u32 reg) { return x2apic ? (u32)rdmsr(0x800 + (reg >> 4)) : *(volatile u32 *)(base + reg); }
static void write(u32 reg, u32 value)
{
    if (x2apic) wrmsr(0x800 + (reg >> 4), value);
    else *(volatile u32 *)(base + reg) = value;
}

void apic_start(u32 wantX2)
{
    u32 id[4];
    cpuid(1, id);
    u64 msr = rdmsr(IA32_APIC_BASE) | 0x800;
    x2apic = wantX2 && (id[2] & 1u << 21);
    wrmsr(IA32_APIC_BASE, msr);
    if (x2apic) wrmsr(IA32_APIC_BASE, msr | 0x400);
    base = (uptr)(msr & 0xfffff000);
    write(TPR, 0);
    write(LVT_TIMER, MASKED);
    write(LVT_LINT0, MASKED);
    write(LVT_LINT1, MASKED);
    write(LVT_ERROR, MASKED);
    write(TIMER_DIVIDE, 0xb);
    write(SVR, 0x100 | VECTOR_SPURIOUS);
    write(ESR, 0);
}

u32 apic_id(void) { return x2apic ? read(ID) : read(ID) >> 24; }
// Where the hypervisor says that no EOI is required, to take that word back is all (TLFS 10.3.5).
void apic_eoi(void)
{
    volatile u32 *assist = vp_self()->assist;
    if (assist && atomic_exchange(assist, 0) & 1) return;
    write(EOI, 0);
}

// The two halves of the xAPIC's ICR belong together: no handler of this VP may send between them.
static void send(u32 apicId, u32 command)
{
    uptr flags;
    asm volatile("pushf; pop %0; cli" : "=r"(flags)::"memory");
    if (x2apic) {
        // WRMSR to the x2APIC does not serialise: earlier stores must be visible before the interrupt is (SDM 3A 11.12.3).
        full_barrier();
        wrmsr(0x830, (u64)apicId << 32 | command);
    } else {
        while (read(ICR) & DELIVERY_PENDING) spin_pause();
        write(ICR_HIGH, apicId << 24);
        write(ICR, command);
    }
    asm volatile("push %0; popf" ::"r"(flags) : "memory", "cc");
}
void apic_send(u32 apicId, u32 vector) { send(apicId, 0x4000 | vector); }
void apic_send_others(u32 vector) { send(0, 0xC4000 | vector); }
void apic_init_sipi(u32 apicId, u32 sipi, u32 page) { send(apicId, sipi ? 0x4600 | page : 0x4500); }

u32 apic_has_deadline(void)
{
    u32 id[4];
    cpuid(1, id);
    return id[2] >> 24 & 1;
}

void apic_timer_arm(u32 mode, u32 ticks)
{
    if (mode == TIMER_DEADLINE) {
        write(LVT_TIMER, 0x40000 | VECTOR_TIMER);
        // The LVT write must come before the MSR write (SDM 3A 11.5.4.1).
        full_barrier();
        wrmsr(IA32_TSC_DEADLINE, rdtsc() + ticks);
        return;
    }
    write(LVT_TIMER, (mode == TIMER_PERIODIC ? 0x20000 : 0) | VECTOR_TIMER);
    write(TIMER_INITIAL, ticks);
}
void apic_timer_off(void)
{
    write(LVT_TIMER, MASKED);
    write(TIMER_INITIAL, 0);
}
// Ticks since the running periodic count was last reloaded.
u32 apic_timer_elapsed(void) { return read(TIMER_INITIAL) - read(TIMER_CURRENT); }

// How many TSC cycles one timer tick takes: both are read around a short spin.
void apic_calibrate(void)
{
    write(LVT_TIMER, MASKED);
    write(TIMER_INITIAL, 0xffffffff);
    u64 start = rdtsc();
    u32 first = read(TIMER_CURRENT);
    u64 cycles;
    u32 ticks;
    do {
        spin_pause();
        cycles = rdtsc() - start;
        ticks = first - read(TIMER_CURRENT);
    } while (cycles < 200000 || (ticks < 1000 && cycles < 0x10000000));
    write(TIMER_INITIAL, 0);
    if (ticks) cyclesPerTick16 = (u32)divide(cycles << 16, ticks);
    if (!cyclesPerTick16) cyclesPerTick16 = 1;
}

void io_apic_route(uptr ioApic, u32 pin, u32 vector, u32 apicId)
{
    volatile u32 *select = (volatile u32 *)ioApic, *data = (volatile u32 *)(ioApic + 0x10);
    *select = 0x10 + 2 * pin;
    *data = MASKED;
    *select = 0x11 + 2 * pin;
    *data = apicId << 24;
    *select = 0x10 + 2 * pin;
    *data = vector;
}
