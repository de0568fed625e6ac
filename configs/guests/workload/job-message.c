// `message`: requests and answers between two guests (or a guest and itself), as messages or as event flags. A VP's partner is whoever its connection leads to.
#include "kernel.h"

#define ANSWERS_ONLY 1
#define REQUEST 1
#define ANSWER 2
#define EVENT_CONNECTIONS 0x100                           // an event connection's number is that of the message connection and this
#define STATUS_INSUFFICIENT_BUFFERS 0x13

struct mailbox {
    struct hv_pages pages;
    struct hv_post request __attribute__((aligned(256))); // neither crosses a page
    struct hv_post answer __attribute__((aligned(256)));  // the interrupt handler's own
    volatile u32 sent, answered, served;
    u32 first;                                            // of this run's requests: what comes before is an answer to an earlier one
    volatile u64 sentAt;
    u32 autoEoi;
};
static struct mailbox mailboxes[VPS_MAX] __attribute__((aligned(4096)));

static u32 connection_of(struct vp *vp) { return vp->parameters[3] + vp->index; }
static u64 stamp_of(const u32 *payload) { return (u64)payload[3] << 32 | payload[2]; }

static void answer(struct vp *vp, struct mailbox *m, const struct hv_message *request)
{
    struct hv_post *post = &m->answer;
    post->connection = connection_of(vp);
    post->type = ANSWER;
    post->size = request->size;
    for (u32 i = 0; i < (request->size + 3u) / 4; i++) post->payload[i] = request->payload[i];
    // A partner that is no more has no use for an answer.
    u32 status = hyperv_post(post);
    if (status == 0) m->served++;
    else if (status == STATUS_INSUFFICIENT_BUFFERS) job_error(vp);
}

static void take_answer(struct vp *vp, struct mailbox *m, const struct hv_message *message)
{
    if (vp->entry->jobRunning != JOB_MESSAGE || (s32)(message->payload[0] - m->first) < 0) return;
    // Answers come once each and in the order of the requests.
    if (message->payload[0] != m->answered || message->size != m->request.size) job_error(vp);
    m->answered = message->payload[0] + 1;
    job_latency(vp, rdtsc() - stamp_of(message->payload));
    vp->entry->operations++;
}

static void take_events(struct vp *vp, struct mailbox *m)
{
    u32 flags = *m->pages.flags ? atomic_exchange((volatile u32 *)m->pages.flags, 0) : 0;
    if (flags & REQUEST && hyperv_signal(connection_of(vp) + EVENT_CONNECTIONS, 1) == 0) m->served++;
    if (flags & ANSWER && m->answered != m->sent) {
        m->answered = m->sent;
        job_latency(vp, rdtsc() - m->sentAt);
        vp->entry->operations++;
    }
}

u32 message_interrupt(struct vp *vp)
{
    struct mailbox *m = &mailboxes[vp->index];
    struct hv_message copy;
    while (m->pages.slot->type) {
        hyperv_message_read(m->pages.slot, &copy);
        if (copy.type == REQUEST) answer(vp, m, &copy);
        else if (copy.type == ANSWER) take_answer(vp, m, &copy);
        else job_error(vp);
    }
    take_events(vp, m);
    return m->autoEoi;
}

static u32 ask_by_event(struct vp *vp, struct mailbox *m)
{
    m->sentAt = rdtsc();
    m->sent++;
    if (hyperv_signal(connection_of(vp) + EVENT_CONNECTIONS, 0) == 0) return 1;
    m->sent--;
    return 0;
}

static u32 ask(struct vp *vp, struct mailbox *m)
{
    struct hv_post *post = &m->request;
    u64 now = rdtsc();
    post->connection = connection_of(vp);
    post->type = REQUEST;
    post->payload[0] = m->sent;
    post->payload[1] = vp->index;
    post->payload[2] = (u32)now;
    post->payload[3] = (u32)(now >> 32);
    // Before the call: the answer may be there when it comes back.
    m->sent++;
    if (hyperv_post(post) == 0) return 1;
    m->sent--;
    return 0;
}

void job_message(struct vp *vp)
{
    struct mailbox *m = &mailboxes[vp->index];
    u32 window = vp->parameters[1], think = vp->parameters[2], size = vp->parameters[5];
    m->autoEoi = vp->parameters[4];
    m->request.size = size < 16 ? 16 : size > HV_MESSAGE_MAX ? HV_MESSAGE_MAX : size;
    m->first = m->answered = m->sent;
    m->served = 0;
    if (!hyperv_start(&m->pages, VECTOR_MESSAGE, m->autoEoi)) {
        job_error(vp);
        job_idle(vp);
        return;
    }
    // What came while the SINT was masked has told nobody.
    interrupts_off();
    message_interrupt(vp);
    interrupts_on();
    while (job_goes_on(vp)) {
        if (vp->parameters[0] == ANSWERS_ONLY) vp->entry->operations = m->served;
        else {
            u32 most = window ? window : 1;
            while (m->sent - m->answered < most && (window ? ask(vp, m) : ask_by_event(vp, m))) work(think);
            // Nobody there yet: look again, and let others run meanwhile.
            if (m->sent == m->answered) {
                spin_pause();
                continue;
            }
        }
        interrupts_off();
        u32 waits = vp->parameters[0] == ANSWERS_ONLY ? vp->entry->operations == m->served : m->sent - m->answered >= (window ? window : 1);
        if (waits && vp->entry->jobSequence == vp->seenSequence && !stopping) halt_enabled();
        else interrupts_on();
    }
    hyperv_stop();
}
