// The agent: one slot for each VP, in memory that all its processes share. The agent itself writes what is asked for, the VP's worker what it has done.
#pragma once
#include "agent-jobs.h"
#include "linux.h"

struct slot {
    // Changes with each request: the worker ends its job when it does.
    volatile u32 request;
    volatile u32 job;
    volatile u32 parameters[AGENT_PARAMETERS];
    u32 pad[64 / 4 - 2 - AGENT_PARAMETERS];
    volatile u32 running;
    // The request whose job that is.
    volatile u32 accepted;
    volatile u32 errors;
    volatile u64 operations, latencySum, latencyMax, latencyCount;
    volatile u32 histogram[LATENCY_COUNTS];
} __attribute__((aligned(64)));

// What the workers of one job share.
struct common {
    volatile u32 lock __attribute__((aligned(64)));
    volatile u32 owner __attribute__((aligned(64)));
};

extern struct slot *slots;
extern struct common *common;
extern u32 cpus;

// jobs.c: never returns.
void work(long vp);
// Whether the worker must share the agent's memory: its page tables are then those of the other such workers.
u32 shares_memory(const struct slot *s);
