// The agent of a Linux guest: takes jobs for its VPs from the port `hvd.agent` of the virtio console, and says on it what they have done.
//
//   to it:    s VP JOB P0 .. P7                                  set: this VP does that job from now on
//   from it:  r VP JOB OPERATIONS SUM P99 MAX COUNT ERRORS REQUEST P0 .. P3   report, a line for each VP; latencies in TSC cycles
//
// Lines of words, numbers in hex. It reports when it starts, when a job changes, and every AGENT_PERIOD_MS while there is a job. Without one it sleeps.
#include "agent.h"

enum { PORT_IN = 0, PORT_OUT = 1, TRIES = 600, TRY_MS = 100, STACK = 16384, LINE = 256 };

struct slot *slots;
struct common *common;
u32 cpus;
static u8 stacks[AGENT_VPS][STACK] __attribute__((aligned(64)));
static long workers[AGENT_VPS];

// The driver makes the port some time after it has been loaded, when the device has told of it.
static u32 open_port(void)
{
    static const char NAME[] = AGENT_PORT_NAME "\n";
    for (u32 tries = 0; tries < TRIES; tries++, nap(TRY_MS)) {
        char name[sizeof NAME] = { 0 };
        long file = CALL2(OPEN, "/sys/class/virtio-ports/vport0p1/name", O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        long got = CALL3(READ, file, name, sizeof name);
        CALL1(CLOSE, file);
        u32 same = got == sizeof NAME - 1;
        for (u32 i = 0; same && i < sizeof NAME - 1; i++) same = name[i] == NAME[i];
        long port = same ? CALL2(OPEN, "/dev/vport0p1", O_RDWR | O_CLOEXEC) : -1;
        if (port < 0) continue;
        CALL3(DUP3, port, PORT_IN, O_CLOEXEC);
        CALL3(DUP3, port, PORT_OUT, O_CLOEXEC);
        return 1;
    }
    return 0;
}

static u32 count_cpus(void)
{
    u64 mask = 0;
    if (CALL3(GETAFFINITY, 0, sizeof mask, &mask) < 0) return 1;
    u32 count = 0;
    while (count < AGENT_VPS && mask >> count) count++;
    return count;
}

static void start_worker(u32 vp)
{
    struct slot *s = &slots[vp];
    s->running = s->job;
    s->accepted = s->request;
    s->errors = 0;
    s->operations = s->latencySum = s->latencyMax = s->latencyCount = 0;
    for (u32 i = 0; i < LATENCY_COUNTS; i++) s->histogram[i] = 0;
    if (s->job == AGENT_JOB_IDLE) return;
    workers[vp] = spawn(SIGCHLD | (shares_memory(s) ? CLONE_VM : 0), stacks[vp] + STACK, work, (long)vp);
    if (workers[vp] < 0) {
        workers[vp] = 0;
        s->errors++;
    }
}
// Which worker has ended, whose VP now does what has been asked for meanwhile.
static void reap(void)
{
    long pid;
    while ((pid = CALL4(WAIT4, -1, 0, WNOHANG, 0)) > 0)
        for (u32 vp = 0; vp < AGENT_VPS; vp++)
            if (workers[vp] == pid) {
                workers[vp] = 0;
                start_worker(vp);
            }
}

static const char *number(const char *at, u32 *value)
{
    while (*at == ' ') at++;
    for (*value = 0;; at++) {
        u32 digit = (u32)*at - '0';
        if (digit > 9) digit = (u32)(*at | 32) - 'a' + 10 < 16 ? (u32)(*at | 32) - 'a' + 10 : 16;
        if (digit > 15) return at;
        *value = *value << 4 | digit;
    }
}
static void obey(const char *line)
{
    u32 vp, job;
    if (*line++ != 's') return;
    line = number(line, &vp);
    line = number(line, &job);
    if (vp >= AGENT_VPS || job >= AGENT_JOBS) return;
    struct slot *s = &slots[vp];
    s->job = job;
    for (u32 i = 0; i < AGENT_PARAMETERS; i++) {
        u32 value;
        line = number(line, &value);
        s->parameters[i] = value;
    }
    s->request++;
    if (workers[vp] == 0) start_worker(vp);
}
// Returns 0 when there is nobody left to listen to.
static u32 listen(void)
{
    static char line[LINE], piece[1024];
    static u32 length;
    long got = CALL3(READ, PORT_IN, piece, sizeof piece);
    for (long i = 0; i < got; i++) {
        if (piece[i] != '\n') {
            // A line that is too long is none.
            if (length < LINE) line[length++] = piece[i];
            continue;
        }
        if (length < LINE) {
            line[length] = 0;
            obey(line);
        }
        length = 0;
    }
    return got > 0;
}

static char *hex(char *at, u64 value)
{
    u32 digits = 1;
    while (digits < 16 && value >> (4 * digits)) digits++;
    *at++ = ' ';
    while (digits--) *at++ = "0123456789abcdef"[(value >> (4 * digits)) & 15];
    return at;
}
// A worker may be in the middle of one: of 64 bits in halves.
static u64 whole(const volatile u64 *counter)
{
    for (;;) {
        u64 once = *counter;
        if (once == *counter) return once;
    }
}
static u64 latency_p99(const struct slot *s)
{
    u64 sum = 0, below = 0;
    for (u32 i = 0; i < LATENCY_COUNTS; i++) sum += s->histogram[i];
    if (sum == 0) return 0;
    for (u32 i = 1; i <= LATENCY_COUNTS; i++) {
        below += s->histogram[i - 1];
        if (below * 100 >= sum * 99) return i < 4 ? i : (u64)(4 + (i & 3)) << ((i >> 2) - 1);
    }
    return 0;
}
static void report(void)
{
    static char text[AGENT_VPS * LINE];
    char *at = text;
    for (u32 vp = 0; vp < cpus; vp++) {
        const struct slot *s = &slots[vp];
        *at++ = 'r';
        at = hex(at, vp);
        at = hex(at, s->running);
        at = hex(at, whole(&s->operations));
        at = hex(at, whole(&s->latencySum));
        at = hex(at, latency_p99(s));
        at = hex(at, whole(&s->latencyMax));
        at = hex(at, whole(&s->latencyCount));
        at = hex(at, s->errors);
        at = hex(at, s->accepted);
        for (u32 i = 0; i < AGENT_PARAMETERS; i++) at = hex(at, s->parameters[i]);
        *at++ = '\n';
    }
    for (const char *from = text; from < at;) {
        long taken = CALL3(WRITE, PORT_OUT, from, at - from);
        if (taken <= 0) return;
        from += taken;
    }
}

static u64 now_ms(void)
{
    struct timespec t;
    CALL2(CLOCK_GETTIME, CLOCK_MONOTONIC, &t);
    return (u64)(u32)t.seconds * 1000 + (u32)t.nanoseconds / 1000000;
}
static u32 at_work(void)
{
    for (u32 vp = 0; vp < AGENT_VPS; vp++)
        if (workers[vp] != 0) return 1;
    return 0;
}

// With any argument its port is standard input and output: how its tests talk to it.
void agent(u32 arguments)
{
    u64 child = 1ull << (SIGCHLD - 1);
    cpus = count_cpus();
    slots = map(sizeof *slots * AGENT_VPS, MAP_SHARED);
    common = map(sizeof *common, MAP_SHARED);
    CALL4(SIGPROCMASK, SIG_BLOCK, &child, 0, 8);
    long ends = CALL4(SIGNALFD, -1, &child, 8, O_CLOEXEC);
    if (!slots || !common || ends < 0 || (arguments < 2 && !open_port())) leave(1);
    u64 reported = now_ms();
    report();
    for (;;) {
        struct pollfd from[2] = { { PORT_IN, POLLIN, 0 }, { (s32)ends, POLLIN, 0 } };
        u64 since = now_ms() - reported;
        struct timespec left = { 0, since >= AGENT_PERIOD_MS ? 0 : (long)(AGENT_PERIOD_MS - since) * 1000000 };
        u32 busy = at_work(), changed = 0;
        CALL5(PPOLL, from, 2, busy ? &left : 0, 0, 8);
        if (from[1].revents) {
            u8 signal[128];
            CALL3(READ, ends, signal, sizeof signal);
            reap();
            changed = 1;
        }
        if (from[0].revents) {
            if (!listen()) break;
            changed = 1;
        }
        if (changed || (busy && now_ms() - reported >= AGENT_PERIOD_MS)) {
            reported = now_ms();
            report();
        }
    }
    for (u32 vp = 0; vp < AGENT_VPS; vp++) slots[vp].request++;
    leave(0);
}
