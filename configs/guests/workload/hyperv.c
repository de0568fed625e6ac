// The guest's side of a Hyper-V interface: hypercall page, synthetic interrupt controller, messages and events (TLFS 3, 11).
// Nothing of it is touched before a job asks, but the assist page.
#include "kernel.h"

#define HV_GUEST_OS_ID 0x40000000
#define HV_HYPERCALL 0x40000001
#define HV_VP_ASSIST_PAGE 0x40000073
#define HV_SCONTROL 0x40000080
#define HV_SIEFP 0x40000082
#define HV_SIMP 0x40000083
#define HV_EOM 0x40000084
#define HV_SINT0 0x40000090
#define HV_GUEST_IDLE 0x400000f0
#define HV_SINT_MASKED 0x10000
#define HV_SINT_AUTO_EOI 0x20000
#define OS_ID (0x8100ull << 48 | 1ull << 16)          // open source, of no known vendor
#define CALL_LONG_SPIN_WAIT_FAST 0x10008
#define CALL_POST_MESSAGE 0x5c
#define CALL_SIGNAL_EVENT_FAST 0x1005d
#define HV_SLOT_BYTES 256

static volatile u32 started;                           // 0 not yet, 1 somebody is at it, 2 the hypercall page is there, 3 there is no interface
static uptr hypercallPage;

// Both halves of the privilege mask; none where there is no interface.
static void privileges(u32 mask[2])
{
    u32 r[4];
    mask[0] = mask[1] = 0;
    cpuid(1, r);
    if (!(r[2] >> 31)) return;
    cpuid(0x40000000, r);
    if (r[0] < 0x40000005 || r[1] != 0x7263694d || r[2] != 0x666f736f || r[3] != 0x76482074) return;
    cpuid(0x40000003, r);
    mask[0] = r[0];
    mask[1] = r[1];
}

// SynIC MSRs; PostMessages and SignalEvents.
static u32 has_messages(void)
{
    u32 mask[2];
    privileges(mask);
    return (mask[0] & 4) != 0 && (mask[1] & 0x30) == 0x30;
}
static u32 has_hypercalls(void)
{
    u32 mask[2];
    privileges(mask);
    return (mask[0] & 0x20) != 0;
}

u32 hyperv_can_idle(void)
{
    u32 mask[2];
    privileges(mask);
    return mask[0] >> 10 & 1;
}
void hyperv_idle(void) { rdmsr(HV_GUEST_IDLE); }

void hyperv_assist_start(struct vp *vp)
{
    u32 mask[2];
    privileges(mask);
    if (!(mask[0] & 0x10)) return;
    uptr at = pages_take(1);
    if (!at) return;
    wrmsr(HV_VP_ASSIST_PAGE, (u64)at | 1);
    vp->assist = (volatile u32 *)at;
}

static u32 call_page_start(void)
{
    if (atomic_compare_exchange(&started, 0, 1) == 0) {
        if (has_hypercalls() && (hypercallPage = pages_take(1)) != 0) {
            wrmsr(HV_GUEST_OS_ID, OS_ID);
            wrmsr(HV_HYPERCALL, (u64)hypercallPage | 1);
            started = 2;
        } else started = 3;
    }
    while (started == 1) spin_pause();
    return started == 2;
}

u32 hyperv_start(struct hv_pages *pages, u32 vector, u32 autoEoi)
{
    if (!has_messages() || !call_page_start()) return 0;
    if (!pages->slot) {
        uptr at = pages_take(2);
        if (!at) return 0;
        pages->slot = (volatile struct hv_message *)(at + HV_SINT * HV_SLOT_BYTES);
        pages->flags = (volatile u32 *)(at + PAGE_SIZE + HV_SINT * HV_SLOT_BYTES);
        wrmsr(HV_SIMP, (u64)at | 1);
        wrmsr(HV_SIEFP, (u64)(at + PAGE_SIZE) | 1);
        wrmsr(HV_SCONTROL, 1);
    }
    wrmsr(HV_SINT0 + HV_SINT, vector | (autoEoi ? HV_SINT_AUTO_EOI : 0));
    return 1;
}

void hyperv_stop(void) { wrmsr(HV_SINT0 + HV_SINT, HV_SINT_MASKED); }

// As the TLFS has it (11.10.3): copy, empty the slot, then look whether another one waits.
void hyperv_message_read(volatile struct hv_message *slot, struct hv_message *copy)
{
    copy->type = slot->type;
    copy->size = slot->size;
    copy->origin = slot->origin;
    for (u32 i = 0; i < (copy->size + 3u) / 4 && i < HV_MESSAGE_MAX / 4; i++) copy->payload[i] = slot->payload[i];
    slot->type = 0;
    full_barrier();
    if (slot->flags & 1) wrmsr(HV_EOM, 0);
}

static u32 hypercall(u32 control, u64 input)
{
#ifdef LONG
    u64 result = 0;
    register u64 output asm("r8") = 0;
    u64 code = control;
    asm volatile("call *%[page]" : "=a"(result), "+c"(code), "+d"(input), "+r"(output) : [page] "m"(hypercallPage) : "memory", "cc", "r9", "r10", "r11");
    return (u32)result & 0xffff;
#else
    u32 low = control, high = 0, inputHigh = (u32)(input >> 32), inputLow = (u32)input, outputHigh = 0, outputLow = 0;
    asm volatile("call *%[page]" : "+a"(low), "+d"(high), "+b"(inputHigh), "+c"(inputLow), "+D"(outputHigh), "+S"(outputLow) : [page] "m"(hypercallPage) : "memory", "cc");
    return low & 0xffff;
#endif
}

u32 hyperv_post(const struct hv_post *input) { return hypercall(CALL_POST_MESSAGE, (u64)(uptr)input); }
u32 hyperv_signal(u32 connection, u32 flag) { return hypercall(CALL_SIGNAL_EVENT_FAST, (u64)flag << 32 | connection); }
u32 hyperv_can_spin(void) { return call_page_start(); }
void hyperv_long_spin_wait(u32 tries) { hypercall(CALL_LONG_SPIN_WAIT_FAST, tries); }
