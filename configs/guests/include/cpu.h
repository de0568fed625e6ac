// Instructions that C has no words for: ports, control registers, MSRs, TSC and the few atomics that the jobs use.
#pragma once
#include "types.h"

static inline void outb(u16 port, u8 value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void outl(u16 port, u32 value) { asm volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static inline u64 rdtsc(void) { u32 lo, hi; asm volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory"); return (u64)hi << 32 | lo; }
static inline u64 rdmsr(u32 msr) { u32 lo, hi; asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory"); return (u64)hi << 32 | lo; }
static inline void wrmsr(u32 msr, u64 v) { asm volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory"); }
static inline void cpuid(u32 leaf, u32 out[4])
{
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

static inline uptr cr2_read(void) { uptr v; asm volatile("mov %%cr2, %0" : "=r"(v)); return v; }
static inline void cr3_write(uptr v) { asm volatile("mov %0, %%cr3" ::"r"(v) : "memory"); }
static inline uptr cr4_read(void) { uptr v; asm volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static inline void cr4_write(uptr v) { asm volatile("mov %0, %%cr4" ::"r"(v) : "memory"); }
static inline uptr cr0_read(void) { uptr v; asm volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static inline void cr0_write(uptr v) { asm volatile("mov %0, %%cr0" ::"r"(v) : "memory"); }
static inline void invlpg(uptr address) { asm volatile("invlpg (%0)" ::"r"(address) : "memory"); }

static inline void interrupts_off(void) { asm volatile("cli" ::: "memory"); }
static inline void interrupts_on(void) { asm volatile("sti" ::: "memory"); }
// STI's shadow covers HLT: an interrupt that was pending ends the halt instead of coming before it (SDM 2B, STI).
static inline void halt_enabled(void) { asm volatile("sti; hlt" ::: "memory"); }
static inline void spin_pause(void) { asm volatile("pause" ::: "memory"); }
static inline void compiler_barrier(void) { asm volatile("" ::: "memory"); }
static inline void full_barrier(void) { asm volatile("lock orl $0, (%0)" ::"r"((uptr)__builtin_frame_address(0)) : "memory", "cc"); }

static inline u32 atomic_add(volatile u32 *p, u32 v) { asm volatile("lock xaddl %0, %1" : "+r"(v), "+m"(*p)::"memory", "cc"); return v; }
static inline void atomic_or(volatile u32 *p, u32 v) { asm volatile("lock orl %1, %0" : "+m"(*p) : "ri"(v) : "memory", "cc"); }
static inline u32 atomic_exchange(volatile u32 *p, u32 v) { asm volatile("xchgl %0, %1" : "+r"(v), "+m"(*p)::"memory"); return v; }
static inline u32 atomic_compare_exchange(volatile u32 *p, u32 expected, u32 desired)
{
    asm volatile("lock cmpxchgl %2, %1" : "+a"(expected), "+m"(*p) : "r"(desired) : "memory", "cc");
    return expected;
}
