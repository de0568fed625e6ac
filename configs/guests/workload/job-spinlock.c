// `spinlock`: ticket and queued (MCS) locks with chosen hold and think times; proves mutual exclusion with plain words and a plain counter.
// The third kind has no lock: counters raised by compare-and-exchange, one over a cache line and (64-bit) one of 16 bytes.
#include "kernel.h"

struct lock {
    volatile u32 nextTicket __attribute__((aligned(64)));
    volatile u32 nowServing __attribute__((aligned(64)));
    volatile u32 tail __attribute__((aligned(64)));       // MCS: VP index + 1 of the last in the queue, 0 = free
    volatile u32 holder __attribute__((aligned(64)));     // plain: who is inside
    volatile u32 counter;                                 // plain: entries
};
struct queue_node {
    volatile u32 next __attribute__((aligned(64)));       // VP index + 1
    volatile u32 waiting;
};
static struct lock ticketLocks[VPS_MAX], queuedLocks[VPS_MAX];
static struct queue_node nodes[VPS_MAX];
static u32 taken[VPS_MAX];

// How a VP waits: with PAUSEs, or without them and after every so many looks in vain by a hypercall, or asleep until the one before has released (as Linux' hv_qlock_wait).
struct way { u32 notify, idle, off; };
static volatile u32 asleep[VPS_MAX];                      // what the VP wants to see when it is woken, + 1

static void sleep_until(volatile u32 *word, u32 wanted, u32 me, u32 off)
{
    // Masked, so that a wake that comes before the read is still pending then.
    if (!off) interrupts_off();
    asleep[me] = wanted + 1;
    full_barrier();
    if (*word != wanted) hyperv_idle();
    asleep[me] = 0;
    if (!off) interrupts_on();
}
static void wake(u32 vp) { apic_send(vp_at(vp)->apicId, VECTOR_WAKE); }

static void wait_for(volatile u32 *word, u32 wanted, u32 me, const struct way *way)
{
    u32 tries = 0;
    if (way->idle)
        while (*word != wanted) { if (++tries % way->idle == 0) sleep_until(word, wanted, me, way->off); }
    else if (way->notify)
        while (*word != wanted) { if (++tries % way->notify == 0) hyperv_long_spin_wait(tries); }
    else
        while (*word != wanted) spin_pause();
    compiler_barrier();
}

static void ticket_acquire(struct lock *l, u32 me, const struct way *way)
{
    wait_for(&l->nowServing, atomic_add(&l->nextTicket, 1), me, way);
}
static void ticket_release(struct lock *l, const struct way *way)
{
    compiler_barrier();
    u32 next = l->nowServing + 1;
    l->nowServing = next;
    if (!way->idle) return;
    full_barrier();
    for (u32 i = 0; i < vpCount; i++) if (asleep[i] == next + 1) wake(i);
}

static void queued_acquire(struct lock *l, u32 me, const struct way *way)
{
    nodes[me].next = 0;
    nodes[me].waiting = 1;
    u32 before = atomic_exchange(&l->tail, me + 1);
    if (!before) return;
    nodes[before - 1].next = me + 1;
    wait_for(&nodes[me].waiting, 0, me, way);
}
static void queued_release(struct lock *l, u32 me, const struct way *way)
{
    compiler_barrier();
    if (!nodes[me].next) {
        if (atomic_compare_exchange(&l->tail, me + 1, 0) == me + 1) return;
        while (!nodes[me].next) spin_pause();
    }
    u32 next = nodes[me].next - 1;
    nodes[next].waiting = 0;
    if (!way->idle) return;
    full_barrier();
    if (asleep[next]) wake(next);
}

static struct {
    u8 before[60];
    volatile u64 split;                                   // crosses a cache line: LOCK CMPXCHG8B must lock the bus
    u8 between[60];
    volatile u64 low, high;                               // one counter of 16 bytes
} __attribute__((packed, aligned(64))) wide;
static u32 raised[VPS_MAX];

static void split_raise(void)
{
    u32 low = 0, high = 0;
    u8 done;
    do {
        u64 next = (((u64)high << 32) | low) + 1;
        asm volatile("lock cmpxchg8b %1; sete %0" : "=q"(done), "+m"(wide.split), "+a"(low), "+d"(high) : "b"((u32)next), "c"((u32)(next >> 32)) : "memory", "cc");
    } while (!done);
}
// Both halves count: one that is torn would never be equal again.
static void pair_raise(void)
{
#ifdef LONG
    u64 low = 0, high = 0;
    u8 done;
    do {
        asm volatile("lock cmpxchg16b %1; sete %0" : "=q"(done), "+m"(wide.low), "+a"(low), "+d"(high) : "b"(low + 1), "c"(high + 3) : "memory", "cc");
    } while (!done);
#endif
}
static void wide_job(struct vp *vp)
{
    while (job_goes_on(vp)) {
        u64 start = rdtsc();
        split_raise();
        pair_raise();
        raised[vp->index]++;
        job_latency(vp, rdtsc() - start);
        vp->entry->operations++;
        work(vp->parameters[2]);
    }
}

// Numbers below `end`, the same ones in every run.
static u32 random_below(u32 end, u32 *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (u32)(((u64)*state * end) >> 32);
}

void job_spinlock(struct vp *vp)
{
    if (vp->parameters[0] == 2) {
        wide_job(vp);
        return;
    }
    u32 queued = vp->parameters[0], hold = vp->parameters[1], think = vp->parameters[2], contenders = vp->parameters[3], me = vp->index;
    u32 off = vp->parameters[4], random = vp->parameters[6], seed = me;
    struct way way = { vp->parameters[5], vp->parameters[7], off };
    if (way.notify && !hyperv_can_spin()) way.notify = 0;
    if (way.idle && !hyperv_can_idle()) way.idle = 0;
    struct lock *l = &(queued ? queuedLocks : ticketLocks)[contenders ? me / contenders : 0];
    while (job_goes_on(vp)) {
        u64 start = rdtsc();
        if (off) interrupts_off();
        if (queued) queued_acquire(l, me, &way);
        else ticket_acquire(l, me, &way);
        u64 waited = rdtsc() - start;
        u32 before = l->holder;
        l->holder = me + 1;
        l->counter = l->counter + 1;
        work(hold);
        if (before || l->holder != me + 1) job_error(vp);
        l->holder = 0;
        taken[me]++;
        if (queued) queued_release(l, me, &way);
        else ticket_release(l, &way);
        if (off) interrupts_on();
        job_latency(vp, waited);
        vp->entry->operations++;
        work(random ? random_below(2 * think, &seed) : think);
    }
}

// Entries counted inside the locks less those counted by the VPs: 0 if no increment was ever lost. For when all are parked.
u32 spinlock_check(void)
{
    u32 difference = 0;
    for (u32 i = 0; i < VPS_MAX; i++) difference += ticketLocks[i].counter + queuedLocks[i].counter - taken[i];
    u64 split = wide.split;
    for (u32 i = 0; i < VPS_MAX; i++) split -= raised[i];
    difference += split != 0;
#ifdef LONG
    difference += wide.low != wide.split || wide.high != 3 * wide.split;
#endif
    return difference;
}
