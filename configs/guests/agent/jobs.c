// What a worker does: the job of its slot, on the VP's processor, until another one is asked for. One operation at a time, each with its latency in TSC cycles.
#include "agent.h"

#define BUSYBOX "/bin/busybox"
static const char *const ENVIRONMENT[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", 0 };

struct worker {
    struct slot *slot;
    u32 vp;
    u32 request;
};

static u32 goes_on(const struct worker *w) { return w->slot->request == w->request; }
static u32 parameter(const struct worker *w, u32 index) { return w->slot->parameters[index]; }

// Counts as the workload guest's do: below 4 cycles one for each, then four an octave.
static void done(const struct worker *w, u64 begun)
{
    struct slot *s = w->slot;
    u64 cycles = rdtsc() - begun;
    u32 high = (u32)(cycles >> 32), octave = high ? 63 - (u32)__builtin_clz(high) : cycles >= 4 ? 31 - (u32)__builtin_clz((u32)cycles) : 1;
    u32 count = 4 * (octave - 1) + ((u32)(cycles >> (octave - 2 + (cycles < 4))) & 3);
    s->histogram[count < LATENCY_COUNTS ? count : LATENCY_COUNTS - 1]++;
    s->latencySum += cycles;
    s->latencyCount++;
    if (cycles > s->latencyMax) s->latencyMax = cycles;
    s->operations++;
}
// A worker that gets nowhere does not take its processor from the others.
static void failed(const struct worker *w)
{
    w->slot->errors++;
    nap(10);
}

static void settle_on(u32 vp)
{
    u64 mask = 1ull << vp;
    CALL3(SETAFFINITY, 0, sizeof mask, &mask);
}
// Nobody goes on whose maker is gone: there is nobody left who would end it.
static void end_with_parent(void) { CALL2(PRCTL, PR_SET_PDEATHSIG, SIGKILL); }
static long fork(void) { return CALL2(CLONE, SIGCHLD, 0); }
// The child's status as wait4 gives it, or -1.
static s32 ended(long pid)
{
    s32 status;
    return CALL4(WAIT4, pid, &status, 0, 0) == pid ? status : -1;
}

static void run_fork(struct worker *w)
{
    u32 pages = parameter(w, 0);
    volatile u8 *memory = pages ? map((uptr)pages * PAGE, MAP_PRIVATE) : 0;
    if (pages && !memory) return failed(w);
    for (u32 i = 0; i < pages; i++) memory[(uptr)i * PAGE] = 1;
    while (goes_on(w)) {
        u64 begun = rdtsc();
        long pid = fork();
        if (pid == 0) {
            // Each write copies a page.
            for (u32 i = 0; i < pages; i++) memory[(uptr)i * PAGE]++;
            leave(0);
        }
        if (pid < 0 || ended(pid) != 0) failed(w);
        else done(w, begun);
        for (u32 i = 0; i < pages; i++) if (memory[(uptr)i * PAGE] != 1) w->slot->errors++;
    }
}

static void run_program(const struct worker *w, const char *const *arguments)
{
    u64 none = 0;
    while (goes_on(w)) {
        u64 begun = rdtsc();
        long pid = fork();
        if (pid == 0) {
            CALL4(SIGPROCMASK, SIG_SETMASK, &none, 0, 8);
            CALL3(EXECVE, BUSYBOX, arguments, ENVIRONMENT);
            leave(127);
        }
        if (pid < 0 || ended(pid) != 0) failed(w);
        else done(w, begun);
    }
}
static void run_exec(struct worker *w)
{
    static const char *const arguments[] = { "true", 0 };
    run_program(w, arguments);
}

static const char BUILD[] =
    "d=/tmp/hvd-agent.$1; mkdir -p $d && cd $d || exit 1\n"
    "i=0; while [ $i -lt $2 ]; do\n"
    // A source; its headers and comments gone; compiled; assembled.
    "seq 1 200 | awk -v f=$i '{print \"int f\" f \"_\" $1 \"(int x) { return x * \" $1 \" + \" f \"; } // line \" $1}' > $i.c\n"
    "sed -e 's://.*$::' -e 's/int/long/g' $i.c | grep -v '^$' > $i.i\n"
    "tr -s ' ' '\\n' < $i.i | sort | uniq -c | sort -rn > $i.s\n"
    "gzip < $i.s > $i.o\n"
    "i=$((i + 1)); done\n"
    "s=$(cat *.o | md5sum); rm -f *; echo \"$s\" > ../hvd-agent.$1.$2.new\n"
    "[ -e ../hvd-agent.$1.$2 ] || mv ../hvd-agent.$1.$2.new ../hvd-agent.$1.$2\n"
    "read -r first < ../hvd-agent.$1.$2; [ \"$first\" = \"$s\" ]\n";
static char *decimal(u32 value, char *end)
{
    *--end = 0;
    do *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}
static void run_build(struct worker *w)
{
    char vp[12], files[12];
    const char *const arguments[] = { "sh", "-c", BUILD, "build", decimal(w->vp, vp + sizeof vp), decimal(parameter(w, 0), files + sizeof files), 0 };
    run_program(w, arguments);
}

static void run_pipe(struct worker *w)
{
    u32 bytes = parameter(w, 0), away = parameter(w, 1);
    static u8 buffer[PAGE];
    s32 there[2], back[2];
    if (bytes < 1 || bytes > PAGE || CALL2(PIPE2, there, O_CLOEXEC) < 0 || CALL2(PIPE2, back, O_CLOEXEC) < 0) return failed(w);
    long pid = fork();
    if (pid == 0) {
        if (away) settle_on((w->vp + 1) % cpus);
        CALL1(CLOSE, there[1]);
        CALL1(CLOSE, back[0]);
        for (;;) {
            long got = CALL3(READ, there[0], buffer, bytes);
            if (got <= 0 || CALL3(WRITE, back[1], buffer, got) != got) leave(0);
        }
    }
    CALL1(CLOSE, there[0]);
    CALL1(CLOSE, back[1]);
    if (pid < 0) return failed(w);
    for (u8 round = 1; goes_on(w); round++) {
        u64 begun = rdtsc();
        buffer[0] = round;
        u32 sent = CALL3(WRITE, there[1], buffer, bytes) == (long)bytes, got = 0;
        buffer[0] = 0;
        while (sent && got < bytes) {
            long more = CALL3(READ, back[0], buffer + got, bytes - got);
            if (more <= 0) break;
            got += (u32)more;
        }
        if (got != bytes || buffer[0] != round) failed(w);
        else done(w, begun);
    }
    CALL1(CLOSE, there[1]);
    ended(pid);
}

static void run_fault(struct worker *w)
{
    u32 pages = parameter(w, 0);
    if (pages < 1) return failed(w);
    while (goes_on(w)) {
        u64 begun = rdtsc();
        volatile u32 *memory = map((uptr)pages * PAGE, MAP_PRIVATE);
        if (!memory) { failed(w); continue; }
        u32 wrong = 0;
        for (u32 i = 0; i < pages; i++) {
            volatile u32 *page = memory + (uptr)i * (PAGE / 4);
            wrong |= *page;
            *page = i + 1;
        }
        for (u32 i = 0; i < pages; i++) wrong |= memory[(uptr)i * (PAGE / 4)] ^ (i + 1);
        CALL2(MUNMAP, memory, (uptr)pages * PAGE);
        if (wrong) failed(w);
        else done(w, begun);
    }
}

// A mutex of three states: free, taken, taken with some who wait (Drepper, Futexes Are Tricky). Whoever is told to end does not wait for a holder that may be gone.
static u32 acquire(const struct worker *w)
{
    static const struct timespec second = { 1, 0 };
    if (atomic_compare_exchange(&common->lock, 0, 1) == 0) return 1;
    while (atomic_exchange(&common->lock, 2) != 0) {
        CALL4(FUTEX, &common->lock, FUTEX_WAIT, 2, &second);
        if (!goes_on(w)) return 0;
    }
    return 1;
}
static void release(void)
{
    if (atomic_exchange(&common->lock, 0) == 2) CALL3(FUTEX, &common->lock, FUTEX_WAKE, 1);
}
static void loop(u32 iterations) { for (volatile u32 i = 0; i < iterations; i++) { } }

static void contend(struct worker *w, u32 self)
{
    while (goes_on(w)) {
        u64 begun = rdtsc();
        if (!acquire(w)) return;
        // The counts of all who work for this VP are under the lock too.
        u32 alone = common->owner == 0;
        common->owner = self;
        done(w, begun);
        loop(parameter(w, 0));
        if (!alone || common->owner != self) w->slot->errors++;
        common->owner = 0;
        release();
        loop(parameter(w, 1));
    }
}
static void run_lock(struct worker *w)
{
    u32 threads = parameter(w, 2);
    if (threads < 1 || threads > AGENT_THREADS_MAX) return failed(w);
    u32 made = 1;
    for (; made < threads; made++) {
        long pid = fork();
        if (pid == 0) {
            end_with_parent();
            contend(w, 1 + w->vp * AGENT_THREADS_MAX + made);
            leave(0);
        }
        if (pid < 0) { failed(w); break; }
    }
    contend(w, 1 + w->vp * AGENT_THREADS_MAX);
    while (--made) ended(-1);
}

u32 shares_memory(const struct slot *s) { return s->job == AGENT_JOB_FAULT && s->parameters[1] != 0; }

void work(long vp)
{
    static void (*const run[AGENT_JOBS])(struct worker *) = {
        [AGENT_JOB_FORK] = run_fork, [AGENT_JOB_EXEC] = run_exec, [AGENT_JOB_PIPE] = run_pipe,
        [AGENT_JOB_FAULT] = run_fault, [AGENT_JOB_LOCK] = run_lock, [AGENT_JOB_BUILD] = run_build,
    };
    struct slot *s = &slots[vp];
    struct worker w = { s, (u32)vp, s->request };
    u32 job = s->job;
    end_with_parent();
    settle_on(w.vp);
    if (job < AGENT_JOBS && run[job]) {
        run[job](&w);
        // What could not even begin waits until something else is asked for.
        while (goes_on(&w)) nap(100);
    }
    leave(0);
}
