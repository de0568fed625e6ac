// What the parts of the V86 monitor share: the frame that an event leaves, and its tasks.
#pragma once
#include "../include/cpu.h"

/** As entry.S has pushed it; the last nine words are there when virtual-8086 code was interrupted. */
struct frame {
    u32 edi, esi, ebp, unused, ebx, edx, ecx, eax;
    u32 vector, error;
    u32 eip, cs, eflags, esp, ss, es, ds, fs, gs;
};

#define TASKS 2
#define TASK_BYTES 0x100000
/** Where a task's code is copied to in its own first megabyte. */
#define TASK_BASE 0x10000

struct task {
    struct frame frame;
    u32 root;
    /** The interrupt flag that the task believes to have. */
    u32 open;
    u32 reports, sum, switches, reflected, denied, errors;
};
extern struct task tasks[TASKS];

void event(struct frame *f);
void print(const char *text);
void print_decimal(u64 value);
void power_off(u32 status);
void console_start(void);
