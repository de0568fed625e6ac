// What the parts of the timing guest offer each other.
#pragma once
#include "cpu.h"

#define NOINLINE __attribute__((noinline))
#define CRC_BYTES 65536u
#define WINDOW 0x40000000ul
#define WINDOW_FRAMES 512u

#ifdef LONG
typedef u64 pte;
#else
typedef u32 pte;
#endif

// --- boot.S
extern u32 multibootInfo;
extern volatile pte windowTableA[], windowTableB[];
extern u64 pml4A[], pml4B[];
extern u32 directoryA[], directoryB[];
extern char trampoline[], trampolineEnd[];
void on_soft_interrupt(void);
void on_fault(void);

// --- console.c
void console_start(void);
void print_character(char c);
void print(const char *text);
void print_hex(u32 value);
void print_decimal(u64 value);
__attribute__((noreturn)) void quit(void);

// --- workloads: each takes a repetition count and returns a checksum; `operations` is what it did, for rates.
extern u64 operations;
extern u8 crcBytes[CRC_BYTES], scratch[65536], windowFrames[WINDOW_FRAMES * 4096];
extern u32 crcTable[256];
extern volatile u32 softInterrupts;
void crc_start(void);
u32 crc_bytes(u32 reps);
u32 run_crc(u32 reps);
u32 run_sieve(u32 reps);
u32 run_matmul(u32 reps);
u32 run_movs(u32 reps);
u32 run_stos(u32 reps);
u32 run_qsort(u32 reps);
u32 run_dhry(u32 reps);
u32 run_crcpg(u32 reps);
u32 run_ptchurn(u32 reps);
u32 run_cr3sw(u32 reps);
u32 run_outb(u32 reps);
u32 run_inb(u32 reps);
u32 run_cpuid(u32 reps);
u32 run_lapic(u32 reps);
u32 run_int(u32 reps);
u32 run_fresh(u32 reps);
u32 run_cold1(u32 reps);
u32 run_cold50(u32 reps);
u32 run_smc(u32 reps);
u32 run_xadd1(u32 reps);
u32 run_xadd2(u32 reps);
u32 run_tick1(u32 reps);
u32 run_tick2(u32 reps);
u32 run_ping(u32 reps);
u32 run_pcrc(u32 reps);
u32 run_fpsse(u32 reps);
u32 run_fpx87(u32 reps);
u32 second_processor_start(void);
#define LAPIC ((volatile u32 *)0xfee00000ul)
