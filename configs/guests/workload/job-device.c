// `device`: serves the machine's test devices that are passed through to this VP. Each interrupt is kept in service for a while before its EOI.
#include "kernel.h"

#define PORT_DEVICES 0x530                                // write: the device with that vector lowers its line

void device_interrupt(struct vp *vp, u32 vector)
{
    u64 start = rdtsc();
    outl(PORT_DEVICES, vector);
    // A device that nobody serves is quietened all the same.
    if (vp->entry->jobRunning != JOB_DEVICE) return;
    work(vp->parameters[0]);
    vp->deviceInterrupts++;
    job_latency(vp, rdtsc() - start);
}

void job_device(struct vp *vp)
{
    vp->deviceInterrupts = 0;
    while (job_goes_on(vp)) {
        // As an idle VP 0: a run of `seconds=` ends by its clock.
        if (vp->index == 0 && stopAt) apic_timer_arm(TIMER_ONE_SHOT, 10000000);
        interrupts_off();
        vp->entry->operations = vp->deviceInterrupts;
        if (vp->entry->jobSequence == vp->seenSequence && !stopping) halt_enabled();
        else interrupts_on();
    }
}
