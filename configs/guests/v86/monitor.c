// A monitor of virtual-8086 tasks: 32-bit kernel at level 0, two tasks of 16-bit code at level 3 with IOPL 0, each in an address space of its own, changed by the timer.
// What the processor does not let them do it does for them: CLI, STI, PUSHF, POPF, INT n, IRET, ports. With `vme` on the command line CR4.VME does most of that where there
// is VME (Intel SDM 3B 20.3). After REPORTS reports of each task it prints `DONE v86 …` and leaves with 0 or 1 at port 0xf4.
#include "monitor.h"

#define REPORTS 500
#define VM 0x20000u
#define IF 0x200u
#define VIF 0x80000u
#define CR4_VME 1u
#define CPUID_VME 2u
#define TIMER 0x20
#define PIT_DIVISOR 1193
#define KEPT_ANSWER 0x5a
#define PAGE_USER 7u

struct task tasks[TASKS];
static struct task *current;
static u32 ticks, vme, faults;
static u32 idt[256][2] __attribute__((aligned(8)));
static u8 taskMemory[TASKS][TASK_BYTES] __attribute__((aligned(4096)));
static u32 roots[TASKS][1024] __attribute__((aligned(4096)));
static u32 tables[TASKS][1024] __attribute__((aligned(4096)));
// Task state segment, redirection bitmap, permission bitmap and its last byte, in a row.
static struct {
    u32 fields[26];
    u8 redirection[32];
    u8 ports[8192 + 1];
} tss __attribute__((aligned(4096)));

extern u8 entries[], taskStart[], taskEnd[];
void enter_frame(struct frame *frame);

static u8 *linear(u16 segment, u32 offset) { return (u8 *)(((u32)segment << 4) + (offset & 0xffff)); }
static u16 pop16(struct frame *f)
{
    u16 value = *(u16 *)linear(f->ss, f->esp);
    f->esp = (f->esp + 2) & 0xffff;
    return value;
}
static void push16(struct frame *f, u32 value)
{
    f->esp = (f->esp - 2) & 0xffff;
    *(u16 *)linear(f->ss, f->esp) = (u16)value;
}
/** The interrupt flag as the task has it. */
static u32 flags_of(struct frame *f) { return (f->eflags & ~IF) | ((vme ? (f->eflags & VIF) != 0 : current->open) ? IF : 0); }
static void set_flags(struct frame *f, u32 image)
{
    current->open = (image & IF) != 0;
    f->eflags = (f->eflags & 0xffff0000) | (image & 0x4dd5) | IF | 2;
}

static void reflect(struct frame *f, u32 vector)
{
    u16 *entry = (u16 *)(vector * 4);
    push16(f, flags_of(f));
    push16(f, f->cs);
    push16(f, f->eip);
    current->open = 0;
    f->eflags &= ~VIF;
    current->reflected++;
    f->eip = entry[0];
    f->cs = entry[1];
}

static void finish(void)
{
    u32 errors = faults;
    print("DONE v86");
    if (vme) print(" vme");
    for (u32 i = 0; i < TASKS; i++) {
        print(" reports="); print_decimal(tasks[i].reports);
        print(" switches="); print_decimal(tasks[i].switches);
        print(" reflected="); print_decimal(tasks[i].reflected);
        errors += tasks[i].errors;
        // What the ports' answers were, and that the tasks had the processor in turn.
        if (tasks[i].denied < REPORTS || tasks[i].switches < 2) errors++;
    }
    print(" errors="); print_decimal(errors);
    print("\n");
    power_off(errors != 0);
}

/** What a task's sum must be: by 32-bit code. */
static u16 wanted(u32 number)
{
    u32 x = 1;
    for (u32 i = 0; i < 400; i++) x = (x * 25173 + 13849 + number) & 0xffff;
    return (u16)x;
}
static void service(struct frame *f)
{
    u32 number = (u32)(current - tasks);
    current->reports++;
    if ((f->eax >> 8 & 0xff) != 1 || (u16)f->edx != wanted(number) || (u16)f->esi != number) current->errors++;
    if (tasks[0].reports >= REPORTS && tasks[1].reports >= REPORTS) finish();
}

static void next_task(struct frame *f)
{
    current->frame = *f;
    current = &tasks[(u32)(current - tasks + 1) % TASKS];
    current->switches++;
    *f = current->frame;
    cr3_write(current->root);
}

/** The instruction that has faulted, for the task. */
static u32 emulate(struct frame *f)
{
    u8 *at = linear(f->cs, f->eip);
    u32 length = 1;
    switch (at[0]) {
    case 0xfa: current->open = 0; break;
    case 0xfb: current->open = 1; break;
    case 0x9c: push16(f, flags_of(f)); break;
    case 0x9d: set_flags(f, pop16(f)); break;
    case 0xcf: {
        if (vme) current->errors++;
        u32 eip = pop16(f);
        f->cs = pop16(f);
        set_flags(f, pop16(f));
        f->eip = eip;
        return 1;
    }
    case 0xcd:
        f->eip = (f->eip + 2) & 0xffff;
        if (vme && at[1] != 0x21) current->errors++;
        if (at[1] == 0x21) service(f);
        else reflect(f, at[1]);
        return 1;
    case 0xe4:
        if (at[1] != 0x71) return 0;
        f->eax = (f->eax & ~0xffu) | KEPT_ANSWER;
        current->denied++;
        length = 2;
        break;
    default: return 0;
    }
    // With VME the processor does these.
    if (vme && length == 1) current->errors++;
    f->eip = (f->eip + length) & 0xffff;
    return 1;
}

void event(struct frame *f)
{
    u32 virtual = (f->eflags & VM) != 0;
    if (f->vector == TIMER) {
        ticks++;
        outb(0x20, 0x20);
        if (virtual) next_task(f);
        return;
    }
    if (virtual && f->vector == 13 && emulate(f)) return;
    // INTO comes through a gate of level 3.
    if (virtual && f->vector == 4) { reflect(f, 4); return; }
    print("unexpected vector "); print_decimal(f->vector);
    print(" error "); print_decimal(f->error);
    print(" cs:eip "); print_decimal(f->cs); print(":"); print_decimal(f->eip); print("\n");
    faults++;
    finish();
}

static void gate(u32 vector, u32 level)
{
    u32 handler = (u32)entries + vector * 16;
    idt[vector][0] = (handler & 0xffff) | 0x080000;
    idt[vector][1] = (handler & 0xffff0000) | 0x8e00 | level << 13;
}
static void timer_start(void)
{
    static const u8 pic[][2] = { { 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, TIMER }, { 0xa1, TIMER + 8 }, { 0x21, 4 }, { 0xa1, 2 },
                                 { 0x21, 1 }, { 0xa1, 1 }, { 0x21, 0xfe }, { 0xa1, 0xff }, { 0x43, 0x34 },
                                 { 0x40, PIT_DIVISOR & 0xff }, { 0x40, PIT_DIVISOR >> 8 } };
    for (u32 i = 0; i < sizeof pic / 2; i++) outb(pic[i][0], pic[i][1]);
}
/** The task's first megabyte is its own memory; the monitor's, from 4 MiB on, is where it is. */
static void make_task(u32 n)
{
    struct task *t = &tasks[n];
    for (u32 page = 0; page < 256; page++) tables[n][page] = ((u32)taskMemory[n] + page * 4096) | PAGE_USER;
    roots[n][0] = (u32)tables[n] | PAGE_USER;
    for (u32 i = 1; i < 8; i++) roots[n][i] = i << 22 | 0xe3;
    for (u8 *from = taskStart, *to = taskMemory[n] + TASK_BASE; from < taskEnd;) *to++ = *from++;
    t->root = (u32)roots[n];
    t->frame.eip = 0;
    t->frame.cs = TASK_BASE >> 4;
    t->frame.ss = 0x3000;
    t->frame.esp = 0xfff0;
    t->frame.esi = n;
    t->frame.eflags = VM | IF | 2 | (vme ? VIF : 0);
}

void monitor_main(u32 information, u64 *gdt, u32 stackTop)
{
    console_start();
    print("HELLO v86\n");
    const u32 *multiboot = (const u32 *)information;
    u32 features[4];
    cpuid(1, features);
    if (multiboot[0] & 4)
        for (const char *p = (const char *)multiboot[4]; *p; p++)
            if (p[0] == 'v' && p[1] == 'm' && p[2] == 'e') vme = (features[3] & CPUID_VME) != 0;
    for (u32 vector = 0; vector < 48; vector++) gate(vector, vector == 4 ? 3 : 0);
    struct __attribute__((packed)) { u16 limit; u32 base; } pointer = { sizeof idt - 1, (u32)idt };
    asm volatile("lidt %0" ::"m"(pointer));
    tss.fields[1] = stackTop;
    tss.fields[2] = 0x10;
    tss.fields[25] = (u32)((u8 *)tss.ports - (u8 *)&tss) << 16;
    for (u32 i = 0; i < sizeof tss.ports; i++) tss.ports[i] = 0xff;
    tss.ports[0x80 / 8] &= (u8)~1;
    // INT 21h is the monitor's; all others are the tasks' own.
    tss.redirection[0x21 / 8] |= 1 << (0x21 & 7);
    u32 limit = sizeof tss - 1, base = (u32)&tss;
    gdt[3] = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | 0x890000000000ull | (u64)(limit >> 16) << 48 | (u64)(base >> 24) << 56;
    struct __attribute__((packed)) { u16 limit; u32 base; } table = { 4 * 8 - 1, (u32)gdt };
    asm volatile("lgdt %0; ltr %w1" ::"m"(table), "r"(0x18));
    for (u32 n = 0; n < TASKS; n++) make_task(n);
    timer_start();
    cr4_write(cr4_read() | 0x10 | (vme ? CR4_VME : 0));
    cr3_write(tasks[0].root);
    cr0_write(cr0_read() | 0x80010000);
    current = &tasks[0];
    enter_frame(&tasks[0].frame);
}
