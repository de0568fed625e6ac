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

// One look in vain: a PAUSE, or with `notify` nothing but a hypercall after so many looks.
static void wait_more(u32 notify, u32 *tries)
{
    if (!notify) spin_pause();
    else if (++*tries % notify == 0) hyperv_long_spin_wait(*tries);
}
static void ticket_acquire(struct lock *l, u32 notify)
{
    u32 ticket = atomic_add(&l->nextTicket, 1), tries = 0;
    while (l->nowServing != ticket) wait_more(notify, &tries);
    compiler_barrier();
}
static void ticket_release(struct lock *l)
{
    compiler_barrier();
    l->nowServing = l->nowServing + 1;
}

static void queued_acquire(struct lock *l, u32 me, u32 notify)
{
    u32 tries = 0;
    nodes[me].next = 0;
    nodes[me].waiting = 1;
    u32 before = atomic_exchange(&l->tail, me + 1);
    if (!before) return;
    nodes[before - 1].next = me + 1;
    while (nodes[me].waiting) wait_more(notify, &tries);
    compiler_barrier();
}
static void queued_release(struct lock *l, u32 me)
{
    compiler_barrier();
    if (!nodes[me].next) {
        if (atomic_compare_exchange(&l->tail, me + 1, 0) == me + 1) return;
        while (!nodes[me].next) spin_pause();
    }
    nodes[nodes[me].next - 1].waiting = 0;
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

void job_spinlock(struct vp *vp)
{
    if (vp->parameters[0] == 2) {
        wide_job(vp);
        return;
    }
    u32 queued = vp->parameters[0], hold = vp->parameters[1], think = vp->parameters[2], contenders = vp->parameters[3], me = vp->index;
    u32 off = vp->parameters[4], notify = vp->parameters[5];
    if (notify && !hyperv_can_spin()) notify = 0;
    struct lock *l = &(queued ? queuedLocks : ticketLocks)[contenders ? me / contenders : 0];
    while (job_goes_on(vp)) {
        u64 start = rdtsc();
        if (off) interrupts_off();
        if (queued) queued_acquire(l, me, notify);
        else ticket_acquire(l, notify);
        u64 waited = rdtsc() - start;
        u32 before = l->holder;
        l->holder = me + 1;
        l->counter = l->counter + 1;
        work(hold);
        if (before || l->holder != me + 1) job_error(vp);
        l->holder = 0;
        taken[me]++;
        if (queued) queued_release(l, me);
        else ticket_release(l);
        if (off) interrupts_on();
        job_latency(vp, waited);
        vp->entry->operations++;
        work(think);
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
