// What the parts of the checks guest offer each other.
#pragma once
#include "../include/cpu.h"

#define CODE32 0x08
#define DATA 0x10
#define CODE64 0x18
#define FIRST_TSS 0x20
#ifdef LONG
#define CODE CODE64
#define WORD "q"
#else
#define CODE CODE32
#define WORD "l"
#endif
#define PROCESSORS_MAX 64
#define PAGE 4096

// --- vectors
enum { NMI = 2, GP = 13 };
#define VECTOR_CALL 0x20
#define NO_FAULT 0x100u

struct frame {
#ifdef LONG
    uptr r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
    uptr di, si, bp, spHere, bx, dx, cx, ax;
#endif
    uptr vector, error, ip, cs, flags, sp, ss;   // sp, ss: in 32-bit code only there when the level changed
};
typedef void (*handler)(struct frame *);
extern handler handlers[256];

// --- main.c
void expect(u32 right, const char *what);
void expect_value(u64 is, u64 should, const char *what);
u32 has_argument(const char *word);

// A statement that may fault: ATTEMPT "instruction" ATTEMPT_END in an asm, then fault_taken().
extern volatile uptr recoverAt;
#define ATTEMPT "mov" WORD " $771f, recoverAt\n\t"
#define ATTEMPT_END "\n771: mov" WORD " $0, recoverAt\n\t"
u32 fault_taken(void);                            // vector of the last ATTEMPT's fault, or NO_FAULT

u32 wrmsr_fault(u32 msr, u64 value);
u32 rdmsr_fault(u32 msr, u64 *value);
void cpuid_sub(u32 leaf, u32 subleaf, u32 out[4]);

extern u32 processors;
u32 processor_index(void);
void call_on(u32 processor, void (*function)(void *), void *argument);         // waits for its end
void call_on_async(u32 processor, void (*function)(void *), void *argument);
void wait_for_calls(void);
extern u64 gdt[];
extern uptr vectorStubs[256];

// --- console.c of the workload guest
void print(const char *text);
void print_decimal(u64 value);
void print_hex(uptr value);
void console_start(void);
void *memset(void *to, int value, uptr n);
void *memcpy(void *to, const void *from, uptr n);
__attribute__((noreturn)) void power_off(u32 status);

// --- apic.c
#define APIC_PAGE 0xfee00000u
u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
void apic_icr(u32 low, u32 destination);
u32 apic_x2_enable(void);                         // 0: there is no x2APIC mode
void apic_reset(void);                            // xAPIC mode, software-enabled

// --- the checks
void check_msrs(void);
void check_apic(void);
void check_clock(void);
void check_eoi(void);
