// Memory of the guest's own: a bump allocator for each node, the base address space (identity, large pages) and address spaces with a window of 4 KiB pages.
// All tables of a space are on the node that it is made for, those of the identity map too: each node that asks has a copy of them.
// 64-bit: 4 levels, the window at a negative canonical address. 32-bit: two levels with PSE, or PAE with `pae` on the command line.
#include "kernel.h"

#define PRESENT_WRITABLE 3u
#define LARGE 0x83u
#define DIRECTORIES 4
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
static struct { volatile u32 next, end; } pages[NODES_MAX];   // page numbers
// On each node: a table whose entries lead to the four directories of the identity map, and behind it these.
#define IDENTITY_PAGES 5
static uptr identities[NODES_MAX];

static uptr take(u32 node, u32 count)
{
    for (;;) {
        u32 first = pages[node].next;
        if (count > pages[node].end - first) return 0;
        if (atomic_compare_exchange(&pages[node].next, first, first + count) != first) continue;
        uptr at = (uptr)first * PAGE_SIZE;
        memset((void *)at, 0, (uptr)count * PAGE_SIZE);
        return at;
    }
}

uptr pages_take_on(u32 node, u32 count)
{
    uptr at = take(node, count);
    for (u32 other = 0; !at && other < NODES_MAX; other++) at = take(other, count);
    return at;
}
uptr pages_take(u32 count) { return pages_take_on(0, count); }

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
#define UPPER 1u                          // of an entry in a PAE root
#else
#define UPPER PRESENT_WRITABLE
extern u8 basePml4[], basePdpt[];         // and the four directories behind it (boot.S)
#endif

static u32 give(u32 node, uptr from, uptr to)
{
    u32 first = (u32)((from + PAGE_SIZE - 1) / PAGE_SIZE), end = (u32)(to / PAGE_SIZE);
    pages[node].next = first;
    pages[node].end = end < first ? first : end;
    return end > first;
}

static void upper_set(uptr identity)
{
    for (u32 i = 0; i < DIRECTORIES; i++) entry_set((void *)identity, i, (identity + (1 + i) * PAGE_SIZE) | UPPER);
}

static uptr identity_on(u32 node)
{
    if (!identities[node] && (identities[node] = pages_take_on(node, IDENTITY_PAGES)) != 0) {
        memcpy((void *)identities[node], (void *)identities[0], IDENTITY_PAGES * PAGE_SIZE);
        upper_set(identities[node]);
    }
    return identities[node] ? identities[node] : identities[0];
}

void memory_start(struct range free, const struct range nodes[NODES_MAX], u32 wantPae)
{
    // The window of the 32-bit build hides what stands at 1 GiB and above.
    if (free.to > 0x40000000) free.to = 0x40000000;
    u32 known = 0;
    for (u32 i = 0; i < NODES_MAX; i++)
        known += give(i, nodes[i].from > free.from ? nodes[i].from : free.from, nodes[i].to < free.to ? nodes[i].to : free.to);
    if (!known) give(0, free.from, free.to);
#ifdef LONG
    (void)wantPae;
    wide = 1;
    baseRoot = (uptr)basePml4;
    identities[0] = (uptr)basePdpt;
#else
    wide = wantPae;
    baseCr4 = (u32)cr4_read() | (wide ? CR4_PAE : CR4_PSE);
    if (wide) {
        baseRoot = identities[0] = pages_take(IDENTITY_PAGES);
        for (u32 i = 0; i < 512 * DIRECTORIES; i++) entry_set((void *)(baseRoot + PAGE_SIZE), i, identity_large(i, 21));
        upper_set(baseRoot);
    } else {
        baseRoot = pages_take(1);
        for (u32 i = 0; i < 1024; i++) entry_set((void *)baseRoot, i, identity_large(i, 22));
    }
    cr4_write(baseCr4);
    cr3_write(baseRoot);
    cr0_write(cr0_read() | 0x80010000u);
#endif
}

// Makes an address space with its tables on the node: all of the base one, and `pages` unmapped 4 KiB pages at the window. 0 = no memory left.
u32 space_make(struct space *s, u32 pages, u32 node)
{
    u32 perTable = wide ? 512 : 1024;
    u32 tables = (pages + perTable - 1) / perTable;
    uptr directory, window = pages_take_on(node, tables);
    if (!window) return 0;
#ifdef LONG
    uptr at = pages_take_on(node, 3);
    if (!at) return 0;
    uptr pml4 = at, pdpt = at + PAGE_SIZE;
    directory = at + 2 * PAGE_SIZE;
    entry_set((void *)pml4, 0, identity_on(node) | PRESENT_WRITABLE);
    entry_set((void *)pml4, (WINDOW >> 39) & 511, pdpt | PRESENT_WRITABLE);
    entry_set((void *)pdpt, (WINDOW >> 30) & 511, directory | PRESENT_WRITABLE);
    for (u32 i = 0; i < tables; i++) entry_set((void *)directory, ((WINDOW >> 21) & 511) + i, (window + i * PAGE_SIZE) | PRESENT_WRITABLE);
    s->root = pml4;
    s->slot = (WINDOW >> 21) & 511;
#else
    if (wide) {
        uptr at = pages_take_on(node, 2);
        if (!at) return 0;
        directory = at + PAGE_SIZE;
        memcpy((void *)at, (void *)identity_on(node), 32);
        ((volatile u32 *)at)[2 * (WINDOW >> 30)] = (u32)directory | 1;
        for (u32 i = 0; i < tables; i++) entry_set((void *)directory, i, (window + i * PAGE_SIZE) | PRESENT_WRITABLE);
        s->root = at;
        s->slot = 0;
    } else {
        directory = pages_take_on(node, 1);
        if (!directory) return 0;
        memcpy((void *)directory, (void *)baseRoot, PAGE_SIZE);
        for (u32 i = 0; i < tables; i++) entry_set((void *)directory, (WINDOW >> 22) + i, (window + i * PAGE_SIZE) | PRESENT_WRITABLE);
        s->root = directory;
        s->slot = WINDOW >> 22;
    }
#endif
    s->window = (volatile void *)window;
    s->directory = (volatile void *)directory;
    s->pages = pages;
    return 1;
}

uptr window_address(u32 page) { return WINDOW + (uptr)page * PAGE_SIZE; }
void space_map(struct space *s, u32 page, uptr frame) { entry_set(s->window, page, frame | PRESENT_WRITABLE); }
void space_unmap(struct space *s, u32 page) { entry_set(s->window, page, 0); }
// The first pages of the window are what another table says: seen after the next flush.
void space_move(struct space *s, uptr table)
{
    entry_set(s->directory, s->slot, table | PRESENT_WRITABLE);
    s->window = (volatile void *)table;
}
