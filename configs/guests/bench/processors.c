// Shared memory: xadd and tick (ticket lock) on one processor and on two, ping (a word handed to and fro), pcrc (both compute).
#include "bench.h"

#define TRAMPOLINE 0x8000
#define ALONE __attribute__((aligned(64)))
enum command { NOTHING, XADD, TICKET, PING, CRC };

static volatile u32 secondUp, command, commandReps, secondDone;
static volatile u32 counter ALONE, turn ALONE, nextTicket ALONE, nowServing ALONE, entries ALONE;
static volatile u32 sums[2];

static void xadd(u32 n) { while (n--) atomic_add(&counter, 1); }
static void ticket(u32 n)
{
    while (n--) {
        u32 mine = atomic_add(&nextTicket, 1);
        while (nowServing != mine) spin_pause();
        entries = entries + 1;
        compiler_barrier();
        nowServing = mine + 1;
    }
}
static void ping(u32 n, u32 me)
{
    while (n--) {
        while (turn != me) spin_pause();
        turn = !me;
    }
}
static void part(u32 what, u32 n, u32 me)
{
    switch (what) {
    case XADD: xadd(n); break;
    case TICKET: ticket(n); break;
    case PING: ping(n, me); break;
    case CRC: sums[me] = crc_bytes(n); break;
    }
}

__attribute__((used)) void second_main(void)
{
    secondUp = 1;
    for (;;) {
        while (!command) spin_pause();
        u32 what = command;
        command = NOTHING;
        part(what, commandReps, 1);
        secondDone = 1;
    }
}

// INIT and SIPI to all but self (SDM 3A 9.4.4.1); 0 if nobody comes.
u32 second_processor_start(void)
{
    if (secondUp) return 1;
    for (char *from = trampoline, *to = (char *)TRAMPOLINE; from < trampolineEnd;) *(volatile char *)to++ = *from++;
    LAPIC[0xf0 / 4] = 0x1ff;
    LAPIC[0x300 / 4] = 0xC4500;
    for (u32 i = 0; i < 20000; i++) inb(0x3fd);
    for (u32 k = 0; k < 2 && !secondUp; k++) {
        LAPIC[0x300 / 4] = 0xC4600 | TRAMPOLINE >> 12;
        for (u32 i = 0; i < 200000 && !secondUp; i++) { inb(0x3fd); spin_pause(); }
    }
    return secondUp;
}

static void both(u32 what, u32 n)
{
    commandReps = n;
    secondDone = 0;
    command = what;
    part(what, n, 0);
    while (!secondDone) spin_pause();
}
u32 run_xadd1(u32 n) { operations = n; counter = 0; xadd(n); return counter; }
u32 run_xadd2(u32 n) { operations = n; counter = 0; both(XADD, n / 2); return counter; }
u32 run_tick1(u32 n) { operations = n; nextTicket = nowServing = entries = 0; ticket(n); return entries; }
u32 run_tick2(u32 n) { operations = n; nextTicket = nowServing = entries = 0; both(TICKET, n / 2); return entries; }
u32 run_ping(u32 n) { operations = n; turn = 0; both(PING, n / 2); return n; }
u32 run_pcrc(u32 n) { operations = (u64)n * CRC_BYTES * 2; both(CRC, n); return sums[0] ^ sums[1]; }
