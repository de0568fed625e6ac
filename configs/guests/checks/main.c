// The checks guest: asks a machine what its manuals promise, where real test images ask it too. Prints what is not so, and leaves with status 0 or 1 at port 0xf4.
// Command line: names of groups (all that there are by default); `list` prints what is checked.
#include "checks.h"

handler handlers[256];
volatile uptr recoverAt;
static volatile u32 lastFault = NO_FAULT;
static u32 expectations, failures, listing;
static const char *line;

u32 processors = 1;
static volatile u32 online = 1;
static u8 tss[PROCESSORS_MAX][128] __attribute__((aligned(128)));
static u8 levelStacks[PROCESSORS_MAX][8192] __attribute__((aligned(16)));
static u32 idt[256][sizeof(uptr) == 8 ? 4 : 2] __attribute__((aligned(16)));
extern char apStart[], apStartEnd[];
extern u32 multibootInfo;

void expect(u32 right, const char *what)
{
    expectations++;
    if (right && !listing) return;
    print(right ? "ok   " : "FAIL ");
    print(what);
    print("\n");
    if (!right) failures++;
}

void expect_value(u64 is, u64 should, const char *what)
{
    expect(is == should, what);
    if (is == should) return;
    print("     is ");
    print_hex((uptr)(is >> 32));
    print(":");
    print_hex((uptr)(u32)is);
    print(", should be ");
    print_hex((uptr)(should >> 32));
    print(":");
    print_hex((uptr)(u32)should);
    print("\n");
}

u32 fault_taken(void)
{
    u32 vector = lastFault;
    lastFault = NO_FAULT;
    return vector;
}

static void gate_set(u32 vector, uptr to)
{
    idt[vector][0] = (u32)(to & 0xffff) | CODE << 16;
    idt[vector][1] = (u32)(to & 0xffff0000) | 0x8E00;
#ifdef LONG
    idt[vector][2] = (u32)(to >> 32);
    idt[vector][3] = 0;
#endif
}

static void tables_load(u32 processor)
{
    u8 *own = tss[processor];
    uptr top = (uptr)levelStacks[processor] + sizeof levelStacks[processor];
    u32 at = (FIRST_TSS >> 3) + 2 * processor;
#ifdef LONG
    *(u64 *)(own + 4) = top;
    *(u16 *)(own + 102) = 104;
    gdt[at + 1] = (u64)(uptr)own >> 32;
#else
    *(u32 *)(own + 4) = top;
    *(u32 *)(own + 8) = DATA;
    *(u16 *)(own + 102) = 104;
#endif
    gdt[at] = 103 | (u64)((uptr)own & 0xffffff) << 16 | 0x89ull << 40 | (u64)((u32)(uptr)own >> 24) << 56;
    struct { u16 limit; uptr at; } __attribute__((packed)) idtr = { sizeof idt - 1, (uptr)idt };
    asm volatile("lidt %0" ::"m"(idtr));
    asm volatile("ltr %w0" ::"r"(FIRST_TSS + 16 * processor));
}

u32 processor_index(void)
{
    u32 selector;
    asm volatile("str %0" : "=r"(selector));
    return ((selector & 0xffff) - FIRST_TSS) >> 4;
}

// --- single instructions that may fault
u32 wrmsr_fault(u32 msr, u64 value)
{
    asm volatile(ATTEMPT "wrmsr" ATTEMPT_END ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
    return fault_taken();
}
u32 rdmsr_fault(u32 msr, u64 *value)
{
    u32 low = 0, high = 0;
    asm volatile(ATTEMPT "rdmsr" ATTEMPT_END : "+a"(low), "+d"(high) : "c"(msr) : "memory");
    *value = (u64)high << 32 | low;
    return fault_taken();
}
void cpuid_sub(u32 leaf, u32 subleaf, u32 out[4])
{
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

// --- the other processors: they halt, and run what they are called for in an interrupt
static struct call { void (*volatile function)(void *); void *volatile argument; } calls[PROCESSORS_MAX];
static volatile u32 callsActive;

static void call_taken(struct frame *f)
{
    (void)f;
    struct call *own = &calls[processor_index()];
    void (*function)(void *) = own->function;
    void *argument = own->argument;
    own->function = 0;
    apic_write(0xb0, 0);
    if (!function) return;
    function(argument);
    atomic_add(&callsActive, (u32)-1);
}

void call_on_async(u32 processor, void (*function)(void *), void *argument)
{
    while (calls[processor].function) spin_pause();
    atomic_add(&callsActive, 1);
    calls[processor].argument = argument;
    calls[processor].function = function;
    if (processor != processor_index()) {
        apic_icr(0x4000 | VECTOR_CALL, processor);
        return;
    }
    calls[processor].function = 0;
    function(argument);
    atomic_add(&callsActive, (u32)-1);
}
void wait_for_calls(void)
{
    while (callsActive) spin_pause();
}
void call_on(u32 processor, void (*function)(void *), void *argument)
{
    call_on_async(processor, function, argument);
    wait_for_calls();
}

__attribute__((used, noreturn)) void processor_main(u32 number)
{
    tables_load(number);
    apic_reset();
    atomic_add(&online, 1);
    for (;;) halt_enabled();
}

static void processors_start(void)
{
    // Item 5 of the firmware's configuration: how many there are.
    asm volatile("outw %0, %1" ::"a"((u16)5), "Nd"((u16)0x510));
    processors = inb(0x511);
    if (processors == 0 || processors > PROCESSORS_MAX) processors = 1;
    if (processors == 1) return;
    for (char *from = apStart, *to = 0; from < apStartEnd;) {
        asm volatile("" : "+r"(to));
        *(volatile char *)to++ = *from++;
    }
    apic_write(0x300, 0xc4500);
    apic_write(0x300, 0xc4600);
    while (online != processors) spin_pause();
}

__attribute__((used)) void interrupt(struct frame *f)
{
    if (recoverAt && f->vector < 32 && f->vector != NMI) {
        lastFault = (u32)f->vector;
        f->ip = recoverAt;
        recoverAt = 0;
        return;
    }
    if (handlers[f->vector]) {
        handlers[f->vector](f);
        return;
    }
    print("UNEXPECTED vector=");
    print_decimal(f->vector);
    print(" error=");
    print_hex(f->error);
    print(" ip=");
    print_hex(f->ip);
    print(" cr2=");
    print_hex(cr2_read());
    print("\n");
    power_off(0x3f);
}

// --- groups
static u32 matches(const char *at, const char *word)
{
    while (*word && *at == *word) at++, word++;
    return !*word && (!*at || *at == ' ');
}
u32 has_argument(const char *word)
{
    for (const char *at = line; *at;) {
        if (matches(at, word)) return 1;
        while (*at && *at != ' ') at++;
        while (*at == ' ') at++;
    }
    return 0;
}

static const struct { const char *name; void (*run)(void); } GROUPS[] = {
    { "msrs", check_msrs },
    { "apic", check_apic },
    { "eoi", check_eoi },
    { "clock", check_clock },
};
#define GROUP_COUNT (sizeof GROUPS / sizeof *GROUPS)

__attribute__((used)) void boot_main(void)
{
    const u32 *information = (const u32 *)(uptr)multibootInfo;
    line = information[0] & 4 ? (const char *)(uptr)information[4] : "";
    while (*line && *line != ' ') line++;
    while (*line == ' ') line++;
    for (u32 i = 0; i < 256; i++) gate_set(i, vectorStubs[i]);
    console_start();
    tables_load(0);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    apic_reset();
    handlers[VECTOR_CALL] = call_taken;
    listing = has_argument("list");
    processors_start();
    u32 chosen = 0;
    for (u32 i = 0; i < GROUP_COUNT; i++) chosen += has_argument(GROUPS[i].name);
    for (u32 i = 0; i < GROUP_COUNT; i++) {
        if (chosen && !has_argument(GROUPS[i].name)) continue;
        if (listing) {
            print("# ");
            print(GROUPS[i].name);
            print("\n");
        }
        GROUPS[i].run();
    }
    print("DONE ");
    print_decimal(expectations);
    print(" checked, ");
    print_decimal(failures);
    print(" failed\n");
    power_off(failures != 0);
}
