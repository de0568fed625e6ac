// `compute` (integer work and nothing else) and `io` (port writes: each is an intercept).
#include "kernel.h"

void job_compute(struct vp *vp)
{
    u32 unit = vp->parameters[0] ? vp->parameters[0] : 1;
    u64 x = vp->random;
    while (job_goes_on(vp)) {
        u64 start = rdtsc();
        for (u32 i = 0; i < unit; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        job_latency(vp, rdtsc() - start);
        vp->entry->operations++;
    }
    vp->random = x;
}

void job_io(struct vp *vp)
{
    u32 think = vp->parameters[0];
    // Without the device: the port that nobody uses for anything but delays.
    u16 port = jobDevice ? JOB_PORT_OPERATION : 0x80;
    for (u32 i = 0; job_goes_on(vp); i++) {
        u64 start = rdtsc();
        outl(port, i);
        job_latency(vp, rdtsc() - start);
        vp->entry->operations++;
        work(think);
    }
}
