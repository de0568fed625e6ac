// Memory of the guest's own: a bump allocator, the base address space (identity, large pages) and address spaces with a window of 4 KiB pages.
// 64-bit: 4 levels, the window at a negative canonical address. 32-bit: two levels with PSE, or PAE with `pae` on the command line.
#include "kernel.h"

#define PRESENT_WRITABLE 3u
#define LARGE 0x83u
#define UNCACHED 0x18u
#define CR4_PSE 0x10
#define CR4_PAE 0x20
#ifdef LONG
#define WINDOW 0xffff900000000000ul
#else
#define WINDOW 0x40000000ul
#endif

uptr baseRoot;
u32 baseCr4;
static u32 wide;                          // page-table entries have 8 bytes
static volatile u32 nextPage, endPage;    // page numbers

uptr pages_take(u32 count)
{
    for (;;) {
        u32 first = nextPage;
        if (count > endPage - first) return 0;
        if (atomic_compare_exchange(&nextPage, first, first + count) != first) continue;
        uptr at = (uptr)first * PAGE_SIZE;
        memset((void *)at, 0, (uptr)count * PAGE_SIZE);
        return at;
    }
}

// The half with the present bit is written last when an entry appears and first when it goes: no walker sees a mixture.
static void entry_set(volatile void *table, u32 index, uptr value)
{
#ifdef LONG
    ((volatile u64 *)table)[index] = value;
#else
    volatile u32 *entries = table;
    if (!wide) { entries[index] = value; return; }
    if (value) entries[2 * index + 1] = 0;
    entries[2 * index] = value;
#endif
}

#ifndef LONG
static uptr identity_large(u32 index, u32 shift)
{
    uptr at = (uptr)index << shift;
    return at | LARGE | (at >= 0xFEC00000 ? UNCACHED : 0);
}
static u32 basePdpt[8] __attribute__((aligned(32)));
#else
extern u8 basePml4[], basePdpt[];
#endif

void memory_start(uptr firstFree, uptr end, u32 wantPae)
{
    // The window of the 32-bit build hides what stands at 1 GiB and above.
    if (end > 0x40000000) end = 0x40000000;
    nextPage = (u32)((firstFree + PAGE_SIZE - 1) / PAGE_SIZE);
    endPage = (u32)(end / PAGE_SIZE);
    if (endPage < nextPage) endPage = nextPage;
#ifdef LONG
    (void)wantPae;
    wide = 1;
    baseRoot = (uptr)basePml4;
#else
    wide = wantPae;
    baseCr4 = (u32)cr4_read() | (wide ? CR4_PAE : CR4_PSE);
    if (wide) {
        uptr directories = pages_take(4);
        for (u32 i = 0; i < 2048; i++) entry_set((void *)directories, i, identity_large(i, 21));
        for (u32 i = 0; i < 4; i++) basePdpt[2 * i] = (u32)(directories + i * PAGE_SIZE) | 1;
        baseRoot = (uptr)basePdpt;
    } else {
        baseRoot = pages_take(1);
        for (u32 i = 0; i < 1024; i++) entry_set((void *)baseRoot, i, identity_large(i, 22));
    }
    cr4_write(baseCr4);
    cr3_write(baseRoot);
    cr0_write(cr0_read() | 0x80010000u);
#endif
}

// Makes an address space: all of the base one, and `pages` unmapped 4 KiB pages at the window. 0 = no memory left.
u32 space_make(struct space *s, u32 pages)
{
    u32 perTable = wide ? 512 : 1024;
    u32 tables = (pages + perTable - 1) / perTable;
    uptr window = pages_take(tables);
    if (!window) return 0;
#ifdef LONG
    uptr at = pages_take(3);
    if (!at) return 0;
    uptr pml4 = at, pdpt = at + PAGE_SIZE, directory = at + 2 * PAGE_SIZE;
    entry_set((void *)pml4, 0, (uptr)basePdpt | PRESENT_WRITABLE);
    entry_set((void *)pml4, (WINDOW >> 39) & 511, pdpt | PRESENT_WRITABLE);
    entry_set((void *)pdpt, (WINDOW >> 30) & 511, directory | PRESENT_WRITABLE);
    for (u32 i = 0; i < tables; i++) entry_set((void *)directory, ((WINDOW >> 21) & 511) + i, (window + i * PAGE_SIZE) | PRESENT_WRITABLE);
    s->root = pml4;
#else
    if (wide) {
        uptr at = pages_take(2);
        if (!at) return 0;
        uptr directory = at + PAGE_SIZE;
        memcpy((void *)at, basePdpt, 32);
        ((volatile u32 *)at)[2 * (WINDOW >> 30)] = (u32)directory | 1;
        for (u32 i = 0; i < tables; i++) entry_set((void *)directory, i, (window + i * PAGE_SIZE) | PRESENT_WRITABLE);
        s->root = at;
    } else {
        uptr directory = pages_take(1);
        if (!directory) return 0;
        memcpy((void *)directory, (void *)baseRoot, PAGE_SIZE);
        for (u32 i = 0; i < tables; i++) entry_set((void *)directory, (WINDOW >> 22) + i, (window + i * PAGE_SIZE) | PRESENT_WRITABLE);
        s->root = directory;
    }
#endif
    s->window = (volatile void *)window;
    s->pages = pages;
    return 1;
}

uptr window_address(u32 page) { return WINDOW + (uptr)page * PAGE_SIZE; }
void space_map(struct space *s, u32 page, uptr frame) { entry_set(s->window, page, frame | PRESENT_WRITABLE); }
void space_unmap(struct space *s, u32 page) { entry_set(s->window, page, 0); }
