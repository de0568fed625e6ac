// Takes jobs from the job area and runs them until the host asks for another one; counts and reports.
#include "kernel.h"

volatile u32 stopping;
u64 stopAt, warmAt;
u32 jobDevice;
static volatile u32 parked;

static void (*const functions[JOB_COUNT])(struct vp *) = {
    [JOB_IDLE] = job_idle, [JOB_COMPUTE] = job_compute, [JOB_SPINLOCK] = job_spinlock, [JOB_PAGECHURN] = job_pagechurn,
    [JOB_SWITCH] = job_switch, [JOB_IPI] = job_ipi, [JOB_TIMER] = job_timer, [JOB_IO] = job_io,
    [JOB_MESSAGE] = job_message, [JOB_DEVICE] = job_device,
};

static volatile u32 *histogram(struct vp *vp) { return (volatile u32 *)((uptr)jobPage + JOB_HISTOGRAMS_AT) + LATENCY_COUNTS * vp->index; }

void job_latency(struct vp *vp, u64 cycles)
{
    volatile struct job_entry *e = vp->entry;
    u32 high = (u32)(cycles >> 32), octave = high ? 63 - (u32)__builtin_clz(high) : cycles >= 4 ? 31 - (u32)__builtin_clz((u32)cycles) : 1;
    u32 count = 4 * (octave - 1) + ((u32)(cycles >> (octave - 2 + (cycles < 4))) & 3);
    histogram(vp)[count < LATENCY_COUNTS ? count : LATENCY_COUNTS - 1]++;
    e->latencySum += cycles;
    e->latencyCount++;
    if (cycles > e->latencyMax) e->latencyMax = cycles;
}
void job_error(struct vp *vp) { vp->entry->errors++; }

// Polled by every job between operations. VP 0 also ends a run of `seconds=`, and asks once more for the same jobs after `warm=`.
u32 job_goes_on(struct vp *vp)
{
    if (stopping) return 0;
    if (vp->index == 0 && stopAt && rdtsc() >= stopAt) {
        stopping = 1;
        full_barrier();
        wake_others();
        return 0;
    }
    if (vp->index == 0 && warmAt && rdtsc() >= warmAt) {
        warmAt = 0;
        for (u32 i = 0; i < vpCount; i++) vp_at(i)->entry->jobSequence += 2;
    }
    return vp->entry->jobSequence == vp->seenSequence;
}

// Two instructions an iteration.
void work(u32 iterations)
{
    if (iterations) asm volatile("1: dec %0; jnz 1b" : "+r"(iterations)::"cc");
}

// Copies a request out of the area; jobSequence works as a sequence lock whose writer is the host.
static u32 job_accept(struct vp *vp)
{
    volatile struct job_entry *e = vp->entry;
    u32 sequence, job;
    do {
        while ((sequence = e->jobSequence) & 1) spin_pause();
        job = e->jobRequested;
        for (u32 i = 0; i < JOB_PARAMETERS; i++) vp->parameters[i] = e->parameters[i];
    } while (e->jobSequence != sequence);
    vp->seenSequence = sequence;
    vp->ticks = vp->pingsServed = 0;
    e->operations = e->latencySum = e->latencyMax = e->latencyCount = 0;
    for (u32 i = 0; i < LATENCY_COUNTS; i++) histogram(vp)[i] = 0;
    e->errors = job >= JOB_COUNT;
    if (job >= JOB_COUNT) job = JOB_IDLE;
    e->jobRunning = job;
    e->jobAccepted = sequence;
    if (vp->index == 0 && jobDevice) jobPage->sequence = inl(JOB_PORT_SEQUENCE);
    return job;
}

static void report_field(const char *name, u64 value)
{
    print(name);
    print_decimal(value);
}

static void report(void)
{
    u32 errors = 0;
    for (u32 i = 0; i < vpCount; i++) {
        volatile struct job_entry *e = vp_at(i)->entry;
        if (!vp_at(i)->online) continue;
        u64 sum = e->latencySum, count = e->latencyCount;
        while (count >> 32) { sum >>= 1; count >>= 1; }
        print("R vp=");
        print_decimal(i);
        print(" job=");
        print(e->jobRequested < JOB_COUNT ? job_descriptions[e->jobRequested].name : "unknown");
        report_field(" operations=", e->operations);
        report_field(" latency-mean=", count ? divide(sum, (u32)count) : 0);
        report_field(" latency-max=", e->latencyMax);
        report_field(" errors=", e->errors);
        print("\n");
        errors += e->errors;
    }
    errors += spinlock_check();
    report_field("DONE errors=", errors);
    print("\n");
    power_off(errors ? 1 : 0);
}

// A parked VP still takes interrupts: others may wait for its answer to a broadcast.
static void park(struct vp *vp)
{
    atomic_add(&parked, 1);
    if (vp->index != 0) for (;;) halt_enabled();
    while (parked < onlineCount) spin_pause();
    report();
}

void jobs_run(struct vp *vp)
{
    interrupts_on();
    while (!stopping) functions[job_accept(vp)](vp);
    park(vp);
}

void job_idle(struct vp *vp)
{
    while (job_goes_on(vp)) {
        // Only a run of `seconds=` needs to be woken by the clock; else an idle guest has nothing periodic.
        if (vp->index == 0 && stopAt) apic_timer_arm(TIMER_ONE_SHOT, 10000000);
        interrupts_off();
        if (vp->entry->jobSequence == vp->seenSequence && !stopping) halt_enabled();
        else interrupts_on();
    }
}

// --- the command line's jobs: written into the area just as a host would

static const char *assignment(const char *text, u32 job, volatile struct job_entry *e)
{
    for (u32 p = 0; p < JOB_PARAMETERS; p++) {
        const char *name = job_descriptions[job].parameters[p], *at = text;
        if (!name) break;
        while (*name && *at == *name) at++, name++;
        if (*name || *at++ != '=') continue;
        u32 value = 0;
        while (*at >= '0' && *at <= '9') value = value * 10 + (u32)(*at++ - '0');
        e->parameters[p] = value;
        return at;
    }
    return 0;
}

static u32 job_request(const char *text, volatile struct job_entry *e)
{
    for (u32 job = 0; job < JOB_COUNT; job++) {
        const char *name = job_descriptions[job].name, *at = text;
        while (*name && *at == *name) at++, name++;
        if (*name || (*at && *at != ' ' && *at != ':')) continue;
        e->jobSequence++;
        e->jobRequested = job;
        for (u32 i = 0; i < JOB_PARAMETERS; i++) e->parameters[i] = job_descriptions[job].defaults[i];
        while (*at == ':' || *at == ',') {
            at = assignment(at + 1, job, e);
            if (!at) { e->jobRequested = JOB_IDLE; e->jobSequence++; return 0; }
        }
        e->jobSequence++;
        return 1;
    }
    return 0;
}

static u32 prefix(const char *text, const char *word)
{
    while (*word) if (*text++ != *word++) return 0;
    return 1;
}

void jobs_from_command_line(const char *line)
{
    for (u32 pass = 0; pass < 2; pass++)
        for (const char *p = line; *p; p++) {
            if (p != line && p[-1] != ' ') continue;
            u32 good = 1;
            if (pass == 0 && prefix(p, "job=")) {
                for (u32 i = 0; i < vpCount; i++) good &= job_request(p + 4, vp_at(i)->entry);
            } else if (pass == 1 && prefix(p, "vp") && p[2] >= '0' && p[2] <= '9') {
                u32 vp = 0;
                const char *at = p + 2;
                while (*at >= '0' && *at <= '9') vp = vp * 10 + (u32)(*at++ - '0');
                good = *at == '=' && vp < vpCount && job_request(at + 1, vp_at(vp)->entry);
            }
            if (!good) print("UNKNOWN job on the command line\n");
        }
}
