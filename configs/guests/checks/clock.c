// Time as two processors see it that hand a word over to each other (SDM 3B 18.17; TLFS 12.4): on one processor it never goes back, and what it does from one to the other is
// measured, for it depends on how the machine's clock runs.
#include "checks.h"

#define HAND_OVERS 40u
#define TIME_REF_COUNT 0x40000020
#define ACCESS_TIME_REF_COUNT 2u

struct moment { u64 tsc, reference; };
static volatile u32 turn;
static volatile struct moment last;
static struct { u64 tsc, reference; u32 wrong; } back[2];
static u32 hasReference;

static u32 has_reference(void)
{
    u32 out[4];
    cpuid(0x40000001, out);
    if (out[0] != 0x31237648) return 0;
    cpuid(0x40000003, out);
    return out[0] & ACCESS_TIME_REF_COUNT;
}

static void read_clocks(struct moment *m)
{
    m->tsc = rdtsc();
    m->reference = hasReference ? rdmsr(TIME_REF_COUNT) : 0;
}

static void hand_over(void *which)
{
    u32 side = (u32)(uptr)which;
    struct moment own = { 0, 0 }, now;
    for (u32 n = 0; n < HAND_OVERS; n++) {
        while (turn != side) spin_pause();
        read_clocks(&now);
        if (now.tsc < own.tsc || now.reference < own.reference) back[side].wrong++;
        if (now.tsc < last.tsc && last.tsc - now.tsc > back[side].tsc) back[side].tsc = last.tsc - now.tsc;
        if (now.reference < last.reference && last.reference - now.reference > back[side].reference) back[side].reference = last.reference - now.reference;
        read_clocks(&own);
        if (own.tsc < now.tsc || own.reference < now.reference) back[side].wrong++;
        last.tsc = own.tsc;
        last.reference = own.reference;
        turn = !side;
    }
}

void check_clock(void)
{
    if (processors < 2) return;
    hasReference = has_reference();
    call_on_async(1, hand_over, (void *)1);
    hand_over((void *)0);
    wait_for_calls();
    expect(back[0].wrong == 0 && back[1].wrong == 0, "time never goes back on one processor");
    print("CLOCK ");
    print_decimal(back[0].tsc > back[1].tsc ? back[0].tsc : back[1].tsc);
    print(" cycles, ");
    print_decimal(back[0].reference > back[1].reference ? back[0].reference : back[1].reference);
    print(" units back from one processor to the other\n");
}
