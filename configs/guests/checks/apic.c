// The local APIC and messages between processors (SDM 3A 11).
#include "checks.h"

#define APIC_BASE 0x1b
#define ENABLE 0x800u
#define X2APIC 0x400u
#define BOOT 0x100u
#define OTHER_BASE 0xfed40000u

static u32 in_x2(void) { return (rdmsr(APIC_BASE) & (ENABLE | X2APIC)) == (ENABLE | X2APIC); }
static volatile u32 *mmio(u32 offset) { return (volatile u32 *)(uptr)(APIC_PAGE + offset); }

u32 apic_read(u32 offset) { return in_x2() ? (u32)rdmsr(0x800 + offset / 16) : *mmio(offset); }
void apic_write(u32 offset, u32 value)
{
    if (in_x2()) wrmsr(0x800 + offset / 16, value);
    else *mmio(offset) = value;
}
void apic_icr(u32 low, u32 destination)
{
    if (in_x2()) {
        wrmsr(0x830, (u64)destination << 32 | low);
        return;
    }
    while (*mmio(0x300) & 0x1000) spin_pause();
    *mmio(0x310) = destination << 24;
    *mmio(0x300) = low;
}
u32 apic_x2_enable(void)
{
    u32 out[4];
    cpuid(1, out);
    if (!(out[2] & 1u << 21)) return 0;
    wrmsr(APIC_BASE, rdmsr(APIC_BASE) | X2APIC);
    return 1;
}
void apic_reset(void)
{
    wrmsr(APIC_BASE, rdmsr(APIC_BASE) & ~(u64)(ENABLE | X2APIC));
    wrmsr(APIC_BASE, rdmsr(APIC_BASE) | ENABLE);
    *mmio(0xf0) = 0x1ff;
}
static u32 apic_id(void) { return in_x2() ? apic_read(0x20) : apic_read(0x20) >> 24; }
static u32 has_apic(void)
{
    u32 out[4];
    cpuid(1, out);
    return out[3] >> 9 & 1;
}

// --- modes
static void modes(void)
{
    u64 base = rdmsr(APIC_BASE) & ~(u64)(ENABLE | X2APIC);
    if (!apic_x2_enable()) {
        expect(wrmsr_fault(APIC_BASE, base | ENABLE | X2APIC) == GP, "no x2APIC mode to be had");
        return;
    }
    expect(wrmsr_fault(APIC_BASE, base | X2APIC) == GP, "x2APIC to invalid");
    expect(wrmsr_fault(APIC_BASE, base | ENABLE) == GP, "x2APIC to xAPIC");
    expect(wrmsr_fault(APIC_BASE, base) == NO_FAULT, "x2APIC to disabled");
    expect(wrmsr_fault(APIC_BASE, base | X2APIC) == GP, "disabled to invalid");
    expect(wrmsr_fault(APIC_BASE, base | ENABLE | X2APIC) == GP, "disabled to x2APIC");
    expect(wrmsr_fault(APIC_BASE, base | ENABLE) == NO_FAULT, "disabled to xAPIC");
    expect(wrmsr_fault(APIC_BASE, base | X2APIC) == GP, "xAPIC to invalid");
    apic_reset();
}

static uptr cr8_read(void)
{
#ifdef LONG
    uptr v;
    asm volatile("mov %%cr8, %0" : "=r"(v));
    return v;
#else
    return 0;
#endif
}
static void cr8_write(uptr v)
{
#ifdef LONG
    asm volatile("mov %0, %%cr8" ::"r"(v));
#else
    (void)v;
#endif
}

static void nothing_at_the_page(const char *what)
{
    memset((void *)(uptr)APIC_PAGE, 0xff, PAGE);
    expect_value(*mmio(0x30), 0xffffffff, what);
    if (sizeof(uptr) == 4) return;
    uptr before = cr8_read();
    cr8_write(before ^ 15);
    expect_value(cr8_read(), before ^ 15, "CR8 goes on without the APIC's page");
    expect_value(*mmio(0x80), 0xffffffff, what);
    cr8_write(before);
}

static void disabling(void)
{
    u32 version = apic_read(0x30);
    wrmsr(APIC_BASE, rdmsr(APIC_BASE) & ~(u64)(ENABLE | X2APIC));
    expect(!has_apic(), "CPUID has no APIC while it is disabled");
    nothing_at_the_page("a disabled APIC does not answer");
    apic_reset();
    expect(has_apic(), "CPUID has the APIC again");
    expect_value(*mmio(0x30), version, "its version");
    if (sizeof(uptr) == 8) {
        cr8_write(15);
        expect_value(*mmio(0x80), 0xf0, "CR8 is the high half of TPR");
        cr8_write(0);
    }
    if (!apic_x2_enable()) return;
    nothing_at_the_page("an APIC in x2APIC mode does not answer");
    apic_reset();
}

static void moving(void)
{
    u64 base = rdmsr(APIC_BASE);
    u32 out[4], version = apic_read(0x30);
    cpuid(0x80000000, out);
    u32 bits = 36;
    if (out[0] >= 0x80000008) {
        cpuid(0x80000008, out);
        bits = out[0] & 0xff;
    }
    wrmsr(APIC_BASE, base & ~(u64)(ENABLE | X2APIC));
    wrmsr(APIC_BASE, OTHER_BASE | BOOT | ENABLE);
    expect_value(*(volatile u32 *)(uptr)(OTHER_BASE + 0x30), version, "the page at another address");
    expect(wrmsr_fault(APIC_BASE, base | 1ull << bits) == GP, "addresses beyond the bus");
    expect(wrmsr_fault(APIC_BASE, base | 1) == GP, "reserved bits of IA32_APIC_BASE");
    wrmsr(APIC_BASE, base);
    apic_reset();
}

static void identity(void *unused)
{
    (void)unused;
    u32 out[4];
    cpuid(1, out);
    u32 initial = out[1] >> 24;
    cpuid_sub(0xb, 0, out);
    u32 initial2 = out[3];
    expect_value(apic_id(), initial, "the APIC ID is that of CPUID");
    apic_write(0x20, (initial + 1) << 24);
    expect(apic_id() == initial || apic_id() == initial + 1, "the APIC ID may be written in xAPIC mode");
    if (apic_x2_enable()) {
        expect(wrmsr_fault(0x802, initial + 1) == GP, "not in x2APIC mode");
        expect_value(apic_id(), initial2, "the x2APIC ID is that of leaf Bh");
        expect_value(apic_id() & 0xff, initial, "and its low byte that of leaf 1");
    }
    apic_reset();
    expect_value(apic_id(), initial, "the APIC ID after leaving x2APIC mode");
    apic_write(0x20, initial << 24);
}

// --- interrupts
static volatile u32 taken;
static void count(struct frame *f)
{
    (void)f;
    atomic_add(&taken, 1);
    apic_write(0xb0, 0);
}
static u32 taken_after(u32 expected)
{
    u64 until = rdtsc() + 1000000000;
    while (taken < expected && rdtsc() < until) spin_pause();
    for (u32 i = 0; i < 100; i++) spin_pause();
    u32 was = taken;
    taken = 0;
    return was;
}
static void self_ipi(void)
{
    taken = 0;
    handlers[0xf1] = count;
    apic_icr(0x400f1, 0);
    expect_value(taken_after(1), 1, "an interrupt to itself");
    apic_icr(0x440f1, 0);
    expect_value(taken_after(1), 1, "an interrupt to itself, asserted");
    if (!in_x2()) return;
    wrmsr(0x83f, 0xf1);
    expect_value(taken_after(1), 1, "by the self-IPI register");
}
static void broadcasts(void)
{
    taken = 0;
    handlers[0xcf] = count;
    apic_icr(0x40cf, in_x2() ? 0xffffffff : 0xff);
    expect_value(taken_after(processors), processors, "to the broadcast address");
    apic_icr(0x840cf, 0);
    expect_value(taken_after(processors), processors, "to all");
    apic_icr(0xc40cf, 0);
    expect_value(taken_after(processors - 1), processors - 1, "to all but itself");
}

// --- NMIs
static volatile u32 nmis, nmisSeen, nmisInShadow, going;
extern char afterSti[];
static void nmi_counted(struct frame *f)
{
    nmis++;
    nmisInShadow += f->ip == (uptr)afterSti;
}
static void sti_loop(void *unused)
{
    (void)unused;
    while (going) {
        asm volatile("sti\n\t.globl afterSti\nafterSti: testb $0, %0; nop; cli" ::"m"(nmisSeen));
        nmisSeen = nmis;
    }
    asm volatile("sti");
}
static void nmi_against_sti(u32 times)
{
    handlers[NMI] = nmi_counted;
    nmis = nmisSeen = nmisInShadow = 0;
    going = 1;
    call_on_async(1, sti_loop, 0);
    while (nmisSeen < times) {
        u32 before = nmisSeen;
        apic_icr(0x4400, 1);
        while (nmisSeen == before) {}
    }
    going = 0;
    wait_for_calls();
    expect_value(nmisInShadow, 0, "no NMI between STI and the next instruction");
}

static volatile u32 nmisReceived, flushed, turn0, turn1, back0, back1, nmisDone;
static void nmi_received(struct frame *f) { (void)f; nmisReceived++; }
static void flush(struct frame *f)
{
    (void)f;
    flushed = 1;
    apic_write(0xb0, 0);
}
static void nmi_sender(void *unused)
{
    (void)unused;
    while (!nmisDone) {
        turn1++;
        while (turn1 != turn0 && !nmisDone) spin_pause();
        if (nmisDone) return;
        apic_icr(0x4400, 0);
        apic_icr(0x4044, 0);
        back1++;
        while (back1 != back0 && !nmisDone) spin_pause();
    }
}
// Two processors send an NMI each, the one to itself; the receiver is in no NMI before: it must come to see both.
static void nmis_at_once(u32 times)
{
    handlers[NMI] = nmi_received;
    handlers[0x44] = flush;
    turn0 = turn1 = back0 = back1 = nmisDone = 0;
    call_on_async(1, nmi_sender, 0);
    u32 right = 1;
    for (u32 i = 0; i < times && right; i++) {
        flushed = nmisReceived = 0;
        turn0++;
        while (turn1 != turn0) spin_pause();
        apic_icr(0x4400, 0);
        while (!flushed) spin_pause();
        right = nmisReceived == 2;
        back0++;
        while (back1 != back0 && right) spin_pause();
    }
    nmisDone = 1;
    wait_for_calls();
    expect(right, "two NMIs at once are two");
}

static void nmi_storm(struct frame *f)
{
    (void)f;
    if (++nmisReceived == 1)
        for (u32 i = 0; i < 10; i++) apic_icr(0x400, 0);
}
static void nmis_pend_once(u32 times)
{
    handlers[NMI] = nmi_storm;
    u32 right = 1;
    for (u32 i = 0; i < times && right; i++) {
        nmisReceived = 0;
        apic_icr(0x400, 0);
        while (nmisReceived < 2) spin_pause();
        right = nmisReceived == 2;
    }
    expect(right, "one NMI waits while another is handled, not more");
}

// --- the timer
static u32 lvt_mode(u32 mode)
{
    apic_write(0x320, (apic_read(0x320) & ~(3u << 17)) | mode << 17);
    return apic_read(0x390);
}
static u32 run_down(u32 initial, u32 half, u32 around)
{
    u32 now = apic_read(0x390);
    if (!now) return now;
    while (now > initial / 2) now = apic_read(0x390);
    if (half) return now;
    while (now <= initial / 2 && now > 0) now = apic_read(0x390);
    while (around && !now) now = apic_read(0x390);
    return now;
}
static void timer(void)
{
    taken = 0;
    handlers[0xee] = count;
    apic_write(0x320, 0xee);
    apic_write(0x3e0, 0xb);
    u64 before = rdtsc();
    apic_write(0x380, 0x10000);
    while (!taken) {}
    expect(taken == 1 && rdtsc() - before >= 0x10000, "one shot, not early");

    const u32 initial = 0x99999;
    apic_write(0x380, initial);
    lvt_mode(1);
    expect_value(apic_read(0x380), initial, "the initial count survives a change of mode");
    lvt_mode(0);
    apic_write(0x380, initial);
    expect(apic_read(0x390) != 0, "the count runs");
    expect_value(run_down(initial, 0, 0), 0, "down to 0");
    apic_write(0x380, initial);
    run_down(initial, 1, 0);
    lvt_mode(1);
    expect(apic_read(0x390) != 0, "one-shot to periodic: it goes on");
    expect(apic_read(0x390) < initial / 2, "from where it was");
    run_down(initial, 0, 1);
    expect(apic_read(0x390) > initial / 2, "and begins anew");
    run_down(initial, 1, 0);
    lvt_mode(0);
    expect(apic_read(0x390) < initial / 2, "periodic to one-shot: it goes on");
    expect_value(run_down(initial, 0, 0), 0, "down to 0");
    expect_value(lvt_mode(1), 0, "a count that has ended does not begin anew by a change of mode");

    u32 out[4];
    cpuid(1, out);
    if (!(out[2] & 1u << 24)) return;
    taken = 0;
    handlers[0xef] = count;
    apic_write(0x320, 0x400ef);
    wrmsr(0x6e0, rdmsr(0x10));
    asm volatile("nop");
    expect_value(taken, 1, "a TSC deadline that has passed");
    expect_value(rdmsr(0x6e0), 0, "is cleared");
    apic_write(0x320, 0x10000);
}

// --- priorities
static volatile u32 order[4], orders;
static void note(struct frame *f)
{
    order[orders++ & 3] = (u32)f->vector;
    apic_write(0xb0, 0);
}
static void priorities(void)
{
    handlers[0x61] = handlers[0x72] = note;
    orders = 0;
    interrupts_off();
    apic_icr(0x44061, 0);
    apic_icr(0x44072, 0);
    expect_value(apic_read(0x230) & 2, 2, "IRR has the first");
    expect_value(apic_read(0x230) >> 18 & 1, 1, "IRR has the second");
    interrupts_on();
    asm volatile("nop; nop");
    expect(orders == 2 && order[0] == 0x72 && order[1] == 0x61, "the higher vector comes first");
    orders = 0;
    apic_write(0x80, 0x60);
    apic_icr(0x44061, 0);
    apic_icr(0x44072, 0);
    asm volatile("nop; nop");
    expect(orders == 1 && order[0] == 0x72, "TPR keeps out its own class");
    apic_write(0x80, 0x50);
    asm volatile("nop; nop");
    expect(orders == 2 && order[1] == 0x61, "and lets it in when it is lowered");
    apic_write(0x80, 0);
    apic_write(0x280, 0);
    apic_icr(0x44005, 0);
    apic_write(0x280, 0);
    expect_value(apic_read(0x280) & 0x20, 0x20, "ESR: sent an illegal vector");
    apic_write(0x280, 0);
    apic_write(0x280, 0);
}

void check_apic(void)
{
    u8 version = (u8)apic_read(0x30);
    u32 many = has_argument("long") ? 30000 : 20;
    expect(version >= 0x10 && version <= 0x15, "an integrated APIC");
    interrupts_on();
    modes();
    if (processors > 1) call_on(1, identity, 0);
    else identity(0);
    disabling();
    moving();
    self_ipi();
    broadcasts();
    if (processors > 1) {
        nmi_against_sti(many);
        nmis_at_once(many);
    }
    nmis_pend_once(many);
    timer();
    priorities();
    if (apic_x2_enable()) {
        self_ipi();
        broadcasts();
        timer();
        priorities();
        apic_reset();
    }
    interrupts_off();
}
