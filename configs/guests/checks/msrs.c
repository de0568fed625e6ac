// Model-specific registers: what reads back as it was written, and what is #GP (SDM 4; SDM 3B 16.3 for machine checks, 18.17.3 for IA32_TSC_ADJUST).
#include "checks.h"

#define NOT_CANONICAL 0xaaaaaaaaaaaaaaaaull
#define ADDRESS 0x0000123456789abcull

static void keeps(u32 msr, u64 value, const char *what)
{
    u64 before, after;
    if (rdmsr_fault(msr, &before) != NO_FAULT) {
        expect(0, what);
        return;
    }
    u32 fault = wrmsr_fault(msr, value);
    rdmsr_fault(msr, &after);
    wrmsr_fault(msr, before);
    expect(fault == NO_FAULT, what);
    expect_value(after, value, what);
}
static void refuses(u32 msr, u64 value, const char *what) { expect(wrmsr_fault(msr, value) == GP, what); }
static void is_not_there(u32 msr, const char *what)
{
    u64 value;
    expect(rdmsr_fault(msr, &value) == GP, what);
    expect(wrmsr_fault(msr, 0) == GP, what);
}

static void machine_checks(void)
{
    u32 banks = (u32)rdmsr(0x179) & 0xff;
    for (u32 n = 0; n < banks; n++) {
        u32 bank = 0x400 + 4 * n;
        keeps(bank, 0, "MCi_CTL keeps 0");
        keeps(bank, ~0ull, "MCi_CTL keeps ones");
        refuses(bank, NOT_CANONICAL, "MCi_CTL refuses what is neither");
        keeps(bank + 1, 0, "MCi_STATUS keeps 0");
        refuses(bank + 1, 1, "MCi_STATUS refuses 1");
        for (u32 i = 2; i < 4; i++) {
            keeps(bank + i, 0, "MCi_ADDR and MCi_MISC keep 0");
            keeps(bank + i, ~0ull, "MCi_ADDR and MCi_MISC keep ones");
            keeps(bank + i, NOT_CANONICAL, "MCi_ADDR and MCi_MISC keep anything");
        }
    }
    for (u32 n = banks; n < 32; n++)
        for (u32 i = 0; i < 4; i++) is_not_there(0x400 + 4 * n + i, "no bank of that number");
}

static void time_stamp_adjust(void)
{
    u32 out[4];
    cpuid_sub(7, 0, out);
    if (!(out[1] & 2)) {
        is_not_there(0x3b, "no TSC_ADJUST");
        return;
    }
    const u64 far = 100000000000ull;
    expect_value(rdmsr(0x3b), 0, "TSC_ADJUST is 0 after reset");
    u64 before = rdtsc();
    wrmsr(0x3b, far);
    expect(rdtsc() - before >= far, "TSC_ADJUST moves the TSC");
    expect_value(rdmsr(0x3b), far, "TSC_ADJUST reads back");
    wrmsr(0x3b, 0);
    expect(rdtsc() - before < far, "and back");
    before = rdtsc();
    wrmsr(0x10, far);
    u64 after = rdtsc(), adjust = rdmsr(0x3b);
    expect(before <= far - adjust, "a write of the TSC shows in TSC_ADJUST");
    expect(after >= far, "and takes effect");
    wrmsr(0x3b, 0);
}

void check_msrs(void)
{
    u32 out[4];
    keeps(0x174, 0x1234, "SYSENTER_CS");
    keeps(0x175, (uptr)ADDRESS, "SYSENTER_ESP");
    keeps(0x176, (uptr)ADDRESS, "SYSENTER_EIP");
    keeps(0x1a0, (0x400c50809ull & ~0x1880ull) | (rdmsr(0x1a0) & 0x1880), "MISC_ENABLE");
    keeps(0x277, 0x07070707, "PAT");
    cpuid(0x80000001, out);
    if (out[3] & 1u << 29) {
        static const u32 ADDRESSES[] = { 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000082, 0xc0000083 };
        for (u32 i = 0; i < sizeof ADDRESSES / 4; i++) {
            keeps(ADDRESSES[i], ADDRESS, "an address");
            refuses(ADDRESSES[i], NOT_CANONICAL, "an address that is not canonical");
        }
        keeps(0xc0000080, rdmsr(0xc0000080) | 1, "EFER.SCE");
        keeps(0xc0000084, 0xffffffff, "FMASK");
    }
    is_not_there(0x49, "PRED_CMD");
    is_not_there(0x10b, "FLUSH_CMD");
    machine_checks();
    time_stamp_adjust();
}
