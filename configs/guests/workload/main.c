// Start-up on the boot processor: console, command line, memory, firmware tables, job area, the other VPs; then it is a VP like all others.
//
// Command line: job=NAME:parameter=N,...  vpN=NAME:...  seconds=N  milliseconds=N  x2apic  pae
#include "kernel.h"

volatile struct job_page *jobPage;
static u8 jobArea[JOB_AREA_SIZE] __attribute__((aligned(4096)));
static char commandLine[1024];

static const char *option(const char *name)
{
    for (const char *p = commandLine; *p; p++) {
        if (p != commandLine && p[-1] != ' ') continue;
        const char *at = p, *n = name;
        while (*n && *at == *n) at++, n++;
        if (!*n) return at;
    }
    return 0;
}

static u32 number_at(const char *text)
{
    u32 n = 0;
    while (*text >= '0' && *text <= '9') n = n * 10 + (u32)(*text++ - '0');
    return n;
}

// TSC cycles a second, by channel 2 of the 8254 (1193182 Hz): gate on, count 11932 down (10 ms), wait for its output.
static u64 cycles_per_second(void)
{
    outb(0x61, (inb(0x61) & 0xfc) | 1);
    outb(0x43, 0xb0);
    outb(0x42, 11932 & 255);
    outb(0x42, 11932 >> 8);
    u64 start = rdtsc();
    for (u32 i = 0; i < 10000000 && !(inb(0x61) & 0x20); i++) spin_pause();
    return (rdtsc() - start) * 100;
}

__attribute__((used)) void boot_main(void)
{
    struct vp *vp = vp_at(0);
    console_start();
    processor_tables(vp);
    outb(0x21, 0xff);                     // mask both 8259s
    outb(0xa1, 0xff);

    u32 *info = (u32 *)(uptr)multibootInfo, memoryKib = 1024 + (info[0] & 1 ? info[2] : 0);
    if (info[0] & 4) {
        const char *line = (const char *)(uptr)info[4];
        for (u32 i = 0; line[i] && i < sizeof commandLine - 1; i++) commandLine[i] = line[i];
    }
    static struct firmware firmware;
    firmware_find(&firmware);
    struct range free = { (uptr)imageEnd, memoryKib < 1048576 ? (uptr)memoryKib * 1024 : 0x40000000 };
    memory_start(free, firmware.nodes, option("pae") != 0);
    apic_start(option("x2apic") != 0);
    apic_calibrate();
    hyperv_assist_start(vp);

    jobPage = (volatile struct job_page *)jobArea;
    vp->entry = (volatile struct job_entry *)(jobArea + sizeof *jobPage);
    processors_start(&firmware);
    jobPage->vpCount = onlineCount;
    jobPage->version = JOB_PAGE_VERSION;
    jobPage->bits = sizeof(uptr) * 8;
    jobs_from_command_line(commandLine);
    const char *seconds = option("seconds=");
    const char *milliseconds = option("milliseconds=");
    if (seconds) stopAt = rdtsc() + cycles_per_second() * number_at(seconds);
    else if (milliseconds) stopAt = rdtsc() + (u64)((u32)cycles_per_second() / 1000) * number_at(milliseconds);
    const char *warm = option("warm=");
    if (warm) warmAt = rdtsc() + (u64)((u32)cycles_per_second() / 1000) * number_at(warm);
    jobPage->magic = JOB_PAGE_MAGIC;
    if (firmware.ioApic) io_apic_route(firmware.ioApic, firmware.jobPin, VECTOR_JOBS, vp->apicId);
    // Elsewhere the port is unused (all ones), or QEMU's firmware configuration device, which answers "QEMU".
    u32 answer = inl(JOB_PORT_SEQUENCE);
    jobDevice = answer != 0xffffffff && answer != 0x554d4551;
    if (jobDevice) outl(JOB_PORT_ANNOUNCE, (u32)(uptr)jobArea);

    print(sizeof(uptr) == 8 ? "HELLO workload64 vps=" : "HELLO workload32 vps=");
    print_decimal(onlineCount);
    print(" memory=");
    print_decimal((memoryKib + 1023) / 1024);
    print("M apic=");
    print(x2apic ? "x2apic" : "xapic");
    print(" tables=");
    print(firmware.source);
    print("\nREADY\n");
    wake_others();
    jobs_run(vp);
}
