// Per-VP tables (GDT, TSS, the common IDT), the interrupt handler, and starting the other processors by INIT and SIPI (SDM 3A 9.4).
#include "kernel.h"

#define TRAMPOLINE 0x8000
#define CODE64 0x18
#define CODE32 0x08
#define DATA 0x10
#define TSS_SELECTOR 0x20

u32 vpCount = 1;
volatile u32 onlineCount;
u32 stackOfApic[256];
static u32 idt[256][sizeof(uptr) == 8 ? 4 : 2] __attribute__((aligned(16)));

struct frame {
#ifdef LONG
    uptr r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
    uptr di, si, bp, sp, bx, dx, cx, ax;
#endif
    uptr vector, error, ip, cs, flags;
};

static void gate_set(u32 vector, uptr handler, u32 ist)
{
#ifdef LONG
    idt[vector][0] = (u32)(handler & 0xffff) | CODE64 << 16;
    idt[vector][1] = (u32)(handler & 0xffff0000) | 0x8E00 | ist;
    idt[vector][2] = (u32)(handler >> 32);
    idt[vector][3] = 0;
#else
    (void)ist;
    idt[vector][0] = (u32)(handler & 0xffff) | CODE32 << 16;
    idt[vector][1] = (u32)(handler & 0xffff0000) | 0x8E00;
#endif
}

void processor_tables(struct vp *vp)
{
    if (vp->index == 0) for (u32 i = 0; i < 256; i++) gate_set(i, vectorStubs[i], i == 8);
    uptr tss = (uptr)vp->tss, top = (uptr)vp->emergencyStack + sizeof vp->emergencyStack;
    u32 limit = sizeof vp->tss - 1;
#ifdef LONG
    *(u64 *)(vp->tss + 36) = top;                       // IST1 (SDM 3A figure 8-11); unaligned by definition
    *(u16 *)(vp->tss + 102) = sizeof vp->tss;
#else
    *(u32 *)(vp->tss + 4) = (u32)top;
    *(u32 *)(vp->tss + 8) = DATA;
    *(u16 *)(vp->tss + 102) = sizeof vp->tss;
#endif
    vp->gdt[1] = 0x00CF9A000000FFFFull;
    vp->gdt[2] = 0x00CF92000000FFFFull;
    vp->gdt[3] = 0x00AF9A000000FFFFull;
    vp->gdt[4] = limit | (u64)(tss & 0xffffff) << 16 | 0x89ull << 40 | (u64)(tss >> 24 & 0xff) << 56;
    vp->gdt[5] = sizeof(uptr) == 8 ? (u64)tss >> 32 : 0;
    struct { u16 limit; uptr at; } __attribute__((packed)) gdtr = { sizeof vp->gdt - 1, (uptr)vp->gdt }, idtr = { sizeof idt - 1, (uptr)idt };
    asm volatile("lgdt %0" ::"m"(gdtr));
    asm volatile("lidt %0" ::"m"(idtr));
#ifdef LONG
    asm volatile("pushq %0; lea 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::"i"(CODE64) : "rax", "memory");
#else
    asm volatile("ljmp %0, $1f; 1:" ::"i"(CODE32) : "memory");
#endif
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" ::"r"(DATA) : "memory");
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
}

static void die(const struct frame *f)
{
    print("FAULT vp=");
    print_decimal(vp_self()->index);
    print(" vector=");
    print_decimal(f->vector);
    print(" error=");
    print_hex(f->error);
    print(" ip=");
    print_hex(f->ip);
    print(" cr2=");
    print_hex(cr2_read());
    print("\n");
    power_off(0x3f);
}

void wake_others(void)
{
    if (onlineCount > 1) apic_send_others(VECTOR_WAKE);
}

__attribute__((used)) void interrupt(struct frame *f)
{
    struct vp *vp = vp_self();
    switch (f->vector) {
    case 14:
        if (f->ip != (uptr)probeInstruction) die(f);
        f->ip = (uptr)probeFixup;
        return;
    case VECTOR_JOBS: wake_others(); break;
    case VECTOR_WAKE:
    case VECTOR_PONG: break;
    case VECTOR_PING: ipi_ping(vp); break;
    case VECTOR_BROADCAST: ipi_broadcast(vp); break;
    case VECTOR_TIMER: timer_tick(vp); break;
    case VECTOR_MESSAGE: if (message_interrupt(vp)) return; else break;
    case VECTOR_SPURIOUS: return;
    default:
        if (f->vector < 0x20) die(f);
        // 0x20..0x2f: a spurious interrupt of the 8259s, which are masked.
        if (f->vector < 0x30) return;
        if (f->vector >= VECTOR_DEVICE) device_interrupt(vp, (u32)f->vector);
    }
    apic_eoi();
}

static void come_online(struct vp *vp)
{
    vp->random = 0x9e3779b97f4a7c15ull * (vp->index + 1);
    vp->online = 1;
    atomic_add(&onlineCount, 1);
}

__attribute__((used)) void processor_main(void)
{
    struct vp *vp = vp_self();
    processor_tables(vp);
    apic_start(x2apic);
    hyperv_assist_start(vp);
    come_online(vp);
    jobs_run(vp);
}

static void delay(u32 portReads)
{
    while (portReads--) inb(0x80);
}

void processors_start(const struct firmware *f)
{
    struct vp *self = vp_at(0);
    self->apicId = apic_id();
    self->node = f->nodeOfApic[self->apicId & 255];
    come_online(self);
    for (u32 i = 0; i < f->apicCount && vpCount < VPS_MAX; i++) {
        if (f->apicIds[i] == self->apicId) continue;
        struct vp *vp = vp_at(vpCount);
        vp->index = vpCount++;
        vp->apicId = f->apicIds[i];
        vp->node = f->nodeOfApic[vp->apicId];
        vp->entry = (volatile struct job_entry *)((uptr)jobPage + sizeof *jobPage) + vp->index;
        stackOfApic[vp->apicId] = (u32)(uptr)stacks[vp->index] + STACK_SIZE;
    }
    for (char *from = trampoline, *to = (char *)TRAMPOLINE; from < trampolineEnd;) *(volatile char *)to++ = *from++;
    full_barrier();
    for (u32 i = 1; i < vpCount; i++) apic_init_sipi(vp_at(i)->apicId, 0, 0);
    if (vpCount > 1) delay(1000);
    for (u32 i = 1; i < vpCount; i++) apic_init_sipi(vp_at(i)->apicId, 1, TRAMPOLINE >> 12);
    // The second SIPI is for processors that missed the first one; a running processor ignores it.
    u32 waits = 0;
    while (onlineCount < vpCount && waits < 400000000) {
        spin_pause();
        if (++waits == 1000000)
            for (u32 i = 1; i < vpCount; i++) if (!vp_at(i)->online) apic_init_sipi(vp_at(i)->apicId, 1, TRAMPOLINE >> 12);
    }
}
