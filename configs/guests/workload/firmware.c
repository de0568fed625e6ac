// Finds processors and the I/O APIC: ACPI MADT (ACPI 5.2.12), or the MP table (MultiProcessor Specification 1.4) where there is no ACPI; and the nodes that processors
// and memory are on: ACPI SRAT (5.2.16).
#include "kernel.h"

static u32 same(const volatile void *at, const char *text)
{
    const volatile char *p = at;
    while (*text) if (*p++ != *text++) return 0;
    return 1;
}
static u32 word16(uptr at) { return *(volatile u16 *)at; }
static u32 word32(uptr at) { return *(volatile u32 *)at; }
static u32 word8(uptr at) { return *(volatile u8 *)at; }
static u32 sum_is_zero(uptr at, u32 length)
{
    u8 sum = 0;
    while (length--) sum += *(volatile u8 *)at++;
    return sum == 0;
}

static void add_processor(struct firmware *f, u32 apicId)
{
    // IDs above 255 would need the x2APIC start-up path of the trampoline.
    if (f->apicCount < VPS_MAX && apicId < 256) f->apicIds[f->apicCount++] = apicId;
}

static void madt_read(struct firmware *f, uptr madt)
{
    uptr end = madt + word32(madt + 4);
    for (uptr p = madt + 44; p + 2 <= end && word8(p + 1) >= 2; p += word8(p + 1)) {
        switch (word8(p)) {
        case 0: if (word32(p + 4) & 1) add_processor(f, word8(p + 3)); break;
        case 1: if (!f->ioApic) f->ioApic = word32(p + 4); break;
        case 2: if (word8(p + 3) == JOB_IRQ) f->jobPin = word32(p + 4); break;
        case 9: if (word32(p + 8) & 1) add_processor(f, word32(p + 4)); break;
        }
    }
    f->source = "acpi";
}

// The largest part of each node's memory.
static void srat_read(struct firmware *f, uptr srat)
{
    uptr end = srat + word32(srat + 4);
    for (uptr p = srat + 48; p + 2 <= end && word8(p + 1) >= 2; p += word8(p + 1)) {
        u32 processor = word8(p) == 0, node = processor ? word8(p + 2) : word32(p + 2);
        if (word8(p) > 1 || node >= NODES_MAX || !(word32(p + (processor ? 4 : 28)) & 1)) continue;
        if (processor) { f->nodeOfApic[word8(p + 3)] = (u8)node; continue; }
        struct range *memory = &f->nodes[node];
        u32 from = word32(p + 8), size = word32(p + 16);
        if (!word32(p + 12) && !word32(p + 20) && size > memory->to - memory->from) *memory = (struct range){ from, (uptr)from + size };
    }
}

static u32 acpi_find(struct firmware *f)
{
    for (uptr p = 0xE0000; p < 0x100000; p += 16) {
        if (!same((void *)p, "RSD PTR ") || !sum_is_zero(p, 20)) continue;
        uptr xsdt = word8(p + 15) >= 2 && !word32(p + 28) ? word32(p + 24) : 0, table = xsdt ? xsdt : word32(p + 16);
        u32 entrySize = xsdt ? 8 : 4;
        if (!table) continue;
        uptr end = table + word32(table + 4);
        for (uptr e = table + 36; e + entrySize <= end; e += entrySize) {
            if (same((void *)(uptr)word32(e), "APIC")) madt_read(f, word32(e));
            if (same((void *)(uptr)word32(e), "SRAT")) srat_read(f, word32(e));
        }
        if (f->apicCount > 0) return 1;
    }
    return 0;
}

static u32 mp_find_between(struct firmware *f, uptr from, uptr to)
{
    for (uptr p = from; p < to; p += 16) {
        if (!same((void *)p, "_MP_") || !sum_is_zero(p, 16)) continue;
        uptr table = word32(p + 4);
        if (!table || !same((void *)table, "PCMP")) continue;
        uptr e = table + 44;
        for (u32 n = word16(table + 34); n; n--) {
            u32 kind = word8(e);
            if (kind == 0 && (word8(e + 3) & 1)) add_processor(f, word8(e + 1));
            if (kind == 2 && (word8(e + 3) & 1) && !f->ioApic) f->ioApic = word32(e + 4);
            e += kind == 0 ? 20 : 8;
        }
        f->source = "mp";
        return f->apicCount > 0;
    }
    return 0;
}

void firmware_find(struct firmware *f)
{
    f->jobPin = JOB_IRQ;
    if (acpi_find(f)) return;
    f->apicCount = 0;
    f->ioApic = 0;
    if (mp_find_between(f, 0xE0000, 0x100000) || mp_find_between(f, 0x9FC00, 0xA0000)) return;
    f->apicCount = 0;
    f->source = "none";
}
