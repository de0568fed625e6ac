// What the parts of the workload guest offer each other.
#pragma once
#include "cpu.h"
#include "job-page.h"

#define VPS_MAX 64
#define STACK_SIZE 16384
#define PAGE_SIZE 4096u
#define NODES_MAX 8u

// --- one virtual processor. Stands at the low end of its own stack, so that the stack pointer finds it.
struct vp {
    u32 index;
    u32 apicId;
    u32 node;
    volatile u32 online;
    volatile u32 ticks;               // timer interrupts of the running job
    volatile u64 timerDue;            // TSC at which the armed tick was due, 0 = not armed
    volatile u32 pingsServed;
    u32 timerMode, timerPeriod;
    u32 seenSequence;
    volatile struct job_entry *entry;
    u32 parameters[JOB_PARAMETERS];
    u64 random;
    u32 broadcastSeen[VPS_MAX];
    volatile u32 deviceInterrupts;
    volatile u32 *assist;             // word of the assist page whose bit 0 says that no EOI is required, 0 = there is none
    u64 gdt[8];
    u8 tss[112];
    u8 emergencyStack[2048] __attribute__((aligned(16)));   // #DF runs here in the 64-bit build
};
extern u8 stacks[VPS_MAX][STACK_SIZE];
static inline struct vp *vp_at(u32 index) { return (struct vp *)stacks[index]; }
static inline struct vp *vp_self(void) { return (struct vp *)((uptr)__builtin_frame_address(0) & ~(uptr)(STACK_SIZE - 1)); }

extern u32 vpCount;                       // found in the firmware tables
extern volatile u32 onlineCount;
extern volatile u32 stopping;             // seconds= have passed: every VP parks
extern u64 stopAt, warmAt;                // TSC, 0 = never
extern volatile struct job_page *jobPage;
extern u32 jobDevice;                     // the host has the doorbell device

// --- boot.S and interrupt.S
extern u32 multibootInfo;
extern u32 stackOfApic[256];
extern char trampoline[], trampolineEnd[], imageEnd[];
extern uptr vectorStubs[256];
u32 probe_read(uptr address);             // 1 if the read faulted
extern char probeInstruction[], probeFixup[];

// --- console.c
void console_start(void);
void print(const char *text);
void print_decimal(u64 value);
void print_hex(uptr value);
u64 divide(u64 dividend, u32 divisor);
void *memset(void *to, int value, uptr n);
void *memcpy(void *to, const void *from, uptr n);
__attribute__((noreturn)) void power_off(u32 status);

// --- firmware.c
struct range { uptr from, to; };
struct firmware {
    u32 apicIds[VPS_MAX];
    u32 apicCount;
    uptr ioApic;
    u32 jobPin;                           // I/O APIC pin of JOB_IRQ
    u8 nodeOfApic[256];
    struct range nodes[NODES_MAX];        // memory; empty where the firmware says nothing
    const char *source;
};
void firmware_find(struct firmware *f);

// --- apic.c
#define VECTOR_JOBS 0x35
#define VECTOR_WAKE 0x40
#define VECTOR_PING 0x41
#define VECTOR_PONG 0x42
#define VECTOR_BROADCAST 0x43
#define VECTOR_TIMER 0x50
#define VECTOR_MESSAGE 0x60
#define VECTOR_DEVICE 0x70                // and all above: devices of the machine that are passed through
#define VECTOR_SPURIOUS 0xff
#define TIMER_PERIODIC 0
#define TIMER_ONE_SHOT 1
#define TIMER_DEADLINE 2
extern u32 cyclesPerTick16;               // TSC cycles per APIC timer tick, 16.16
extern u32 x2apic;
void apic_start(u32 wantX2);
void apic_calibrate(void);
u32 apic_id(void);
void apic_eoi(void);
void apic_send(u32 apicId, u32 vector);
void apic_send_others(u32 vector);
void apic_init_sipi(u32 apicId, u32 sipi, u32 page);
void apic_timer_arm(u32 mode, u32 ticks);
void apic_timer_off(void);
u32 apic_timer_elapsed(void);
u32 apic_has_deadline(void);
void io_apic_route(uptr base, u32 pin, u32 vector, u32 apicId);

// --- processor.c
void processor_tables(struct vp *vp);
void processors_start(const struct firmware *f);
void wake_others(void);

// --- paging.c
struct space { uptr root; volatile void *window, *directory; u32 pages, slot; };   // the entry `slot` of the directory leads to the window's first table
extern uptr baseRoot;
void memory_start(struct range free, const struct range nodes[NODES_MAX], u32 wantPae);
uptr pages_take_on(u32 node, u32 count);  // zeroed, contiguous, on the node if it has so many; 0 = no memory left
uptr pages_take(u32 count);
u32 space_make(struct space *s, u32 pages, u32 node);
uptr window_address(u32 page);
void space_map(struct space *s, u32 page, uptr frame);
void space_unmap(struct space *s, u32 page);
void space_move(struct space *s, uptr table);

// --- hyperv.c
#define HV_SINT 3
#define HV_MESSAGE_MAX 240
struct hv_message {
    volatile u32 type;
    u8 size;
    volatile u8 flags;
    u16 reserved;
    u64 origin;
    u32 payload[HV_MESSAGE_MAX / 4];
};
struct hv_post { u32 connection, reserved, type, size, payload[HV_MESSAGE_MAX / 4]; };
struct hv_pages { volatile struct hv_message *slot; volatile u32 *flags; };
void hyperv_assist_start(struct vp *vp);
u32 hyperv_start(struct hv_pages *pages, u32 vector, u32 autoEoi);   // 0: there is none of it here
void hyperv_stop(void);
void hyperv_message_read(volatile struct hv_message *slot, struct hv_message *copy);
u32 hyperv_post(const struct hv_post *input);                        // HV_STATUS
u32 hyperv_signal(u32 connection, u32 flag);
u32 hyperv_can_spin(void);                                           // 0: no hypercalls here
void hyperv_long_spin_wait(u32 tries);
u32 hyperv_can_idle(void);
void hyperv_idle(void);                                              // until an interrupt comes, masked or not

// --- jobs
u32 job_goes_on(struct vp *vp);
void job_latency(struct vp *vp, u64 cycles);
void job_error(struct vp *vp);
void work(u32 iterations);
void job_idle(struct vp *vp);
void job_compute(struct vp *vp);
void job_spinlock(struct vp *vp);
void job_pagechurn(struct vp *vp);
void job_switch(struct vp *vp);
void job_ipi(struct vp *vp);
void job_timer(struct vp *vp);
void job_io(struct vp *vp);
void job_message(struct vp *vp);
u32 message_interrupt(struct vp *vp);     // 1: the interrupt ends by itself
void job_device(struct vp *vp);
void device_interrupt(struct vp *vp, u32 vector);
void ipi_ping(struct vp *vp);
void ipi_broadcast(struct vp *vp);
void timer_tick(struct vp *vp);
u32 spinlock_check(void);
void jobs_from_command_line(const char *line);
void jobs_run(struct vp *vp);
