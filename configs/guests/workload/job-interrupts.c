// `ipi` (ping-pong between two VPs, broadcast answered by all) and `timer` (local APIC timer ticks and how late they come).
#include "kernel.h"

#define BROADCAST 1
#define NOBODY 0xffffffffu
#define REGROUP_EVERY 64u

static volatile u32 pingFrom[VPS_MAX][2];                 // bit set of VPs that wait for this VP's answer
static volatile u32 pingSent[VPS_MAX], pingAnswered[VPS_MAX];
static volatile u32 broadcastSent[VPS_MAX], broadcastAnswers[VPS_MAX];

// VPs of the ping-pong pair off in order of index: even ones ask, odd ones answer. One that is left over asks itself.
static u32 partner_of(struct vp *vp)
{
    u32 position = 0, next = NOBODY;
    for (u32 i = 0; i < vpCount; i++) {
        volatile struct job_entry *e = vp_at(i)->entry;
        if (e->jobRunning != JOB_IPI || vp_at(i)->parameters[0] == BROADCAST) continue;
        if (i < vp->index) position++;
        if (i > vp->index && next == NOBODY) next = i;
    }
    if (position & 1) return NOBODY;
    return next == NOBODY ? vp->index : next;
}

void ipi_ping(struct vp *vp)
{
    for (u32 word = 0; word < 2; word++) {
        u32 bits = atomic_exchange(&pingFrom[vp->index][word], 0);
        for (u32 bit = 0; bits; bit++, bits >>= 1) {
            if (!(bits & 1)) continue;
            u32 source = word * 32 + bit;
            pingAnswered[source] = pingSent[source];
            vp->pingsServed++;
            apic_send(vp_at(source)->apicId, VECTOR_PONG);
        }
    }
}

static void ping(struct vp *vp, u32 partner, u32 spin)
{
    u32 me = vp->index;
    u64 start = rdtsc();
    pingSent[me]++;
    atomic_or(&pingFrom[partner][me / 32], 1u << me % 32);
    apic_send(vp_at(partner)->apicId, VECTOR_PING);
    while (pingAnswered[me] != pingSent[me]) {
        if (spin) { spin_pause(); continue; }
        interrupts_off();
        if (pingAnswered[me] != pingSent[me]) halt_enabled();
        else interrupts_on();
    }
    job_latency(vp, rdtsc() - start);
    vp->entry->operations++;
}

// A request for an answer from everyone, as a TLB shootdown makes it.
void ipi_broadcast(struct vp *vp)
{
    for (u32 i = 0; i < vpCount; i++) {
        u32 sent = broadcastSent[i];
        if (sent == vp->broadcastSeen[i]) continue;
        vp->broadcastSeen[i] = sent;
        atomic_add(&broadcastAnswers[i], 1);
    }
}

static void broadcast(struct vp *vp)
{
    u32 me = vp->index, expected = onlineCount - 1;
    u64 start = rdtsc();
    broadcastAnswers[me] = 0;
    vp->broadcastSeen[me] = broadcastSent[me] + 1;
    full_barrier();
    broadcastSent[me]++;
    if (expected) apic_send_others(VECTOR_BROADCAST);
    // Waits to the end even when the job is over: an answer that came later would count for the next request.
    while (broadcastAnswers[me] < expected) spin_pause();
    job_latency(vp, rdtsc() - start);
    vp->entry->operations++;
}

static void serve_pings(struct vp *vp)
{
    interrupts_off();
    vp->entry->operations = vp->pingsServed;
    if (vp->entry->jobSequence == vp->seenSequence && !stopping) halt_enabled();
    else interrupts_on();
}

void job_ipi(struct vp *vp)
{
    u32 mode = vp->parameters[0], spin = vp->parameters[1], think = vp->parameters[2];
    // Whoever comes or goes wakes the others, so that halted ones look for a partner again.
    if (mode != BROADCAST) wake_others();
    u32 partner = NOBODY;
    for (u32 turn = 0; job_goes_on(vp); turn++) {
        if (mode == BROADCAST) broadcast(vp);
        else {
            if (partner == NOBODY || turn % REGROUP_EVERY == 0) partner = partner_of(vp);
            if (partner == NOBODY) serve_pings(vp);
            else ping(vp, partner, spin);
        }
        work(think);
    }
    vp->entry->jobRunning = JOB_IDLE;
    if (mode != BROADCAST && !stopping) wake_others();
}

// --- timer

static u64 cycles_of(u32 ticks) { return ((u64)ticks * cyclesPerTick16) >> 16; }

static void timer_arm(struct vp *vp)
{
    u64 now = rdtsc();
    vp->timerDue = now + (vp->timerMode == TIMER_DEADLINE ? vp->timerPeriod : cycles_of(vp->timerPeriod));
    apic_timer_arm(vp->timerMode, vp->timerPeriod);
}

void timer_tick(struct vp *vp)
{
    if (vp->entry->jobRunning != JOB_TIMER || !vp->timerDue) return;
    u64 now = rdtsc(), late = now > vp->timerDue ? now - vp->timerDue : 0;
    if (vp->timerMode == TIMER_PERIODIC) late = cycles_of(apic_timer_elapsed());
    job_latency(vp, late);
    vp->entry->operations++;
    if (vp->timerMode != TIMER_PERIODIC) timer_arm(vp);
}

void job_timer(struct vp *vp)
{
    vp->timerMode = vp->parameters[1];
    vp->timerPeriod = vp->parameters[0] ? vp->parameters[0] : 1;
    if (vp->timerMode > TIMER_DEADLINE || (vp->timerMode == TIMER_DEADLINE && !apic_has_deadline())) {
        job_error(vp);
        job_idle(vp);
        return;
    }
    interrupts_off();
    timer_arm(vp);
    interrupts_on();
    while (job_goes_on(vp)) {
        interrupts_off();
        if (vp->entry->jobSequence == vp->seenSequence && !stopping) halt_enabled();
        else interrupts_on();
    }
    interrupts_off();
    vp->timerDue = 0;
    apic_timer_off();
    interrupts_on();
}
