// Page tables: crcpg (CRC through 4 KiB pages), ptchurn (map, touch, unmap, INVLPG), cr3sw (two address spaces by turns).
#include "bench.h"

u8 windowFrames[WINDOW_FRAMES * 4096] __attribute__((aligned(4096)));
static uptr rootA, rootB;

static void paging_on(void)
{
#ifdef LONG
    rootA = (uptr)pml4A;
    rootB = (uptr)pml4B;
    cr3_write(rootA);
#else
    for (u32 i = 0; i < 1024; i++) directoryA[i] = directoryB[i] = i < 256 || i >= 768 ? i << 22 | 0x87 : 0;
    directoryA[WINDOW >> 22] = (u32)windowTableA | 7;
    directoryB[WINDOW >> 22] = (u32)windowTableB | 7;
    rootA = (uptr)directoryA;
    rootB = (uptr)directoryB;
    cr3_write(rootA);
    cr0_write(cr0_read() | 0x80000000u);
#endif
}
static void paging_off(void)
{
#ifndef LONG
    cr0_write(cr0_read() & ~0x80000000u);
#endif
}

u32 run_ptchurn(u32 reps)
{
    u32 sum = 0;
    operations = (u64)reps * 512;
    paging_on();
    for (u32 r = 0; r < reps; r++)
        for (u32 i = 0; i < 512; i++) {
            uptr address = WINDOW + (uptr)i * 4096, frame = (uptr)windowFrames + (uptr)((i * 7 + r) & 511) * 4096;
            windowTableA[i] = frame | 3;
            volatile u32 *p = (volatile u32 *)address;
            p[1] = i + r;
            sum += p[1] + p[0];
            windowTableA[i] = 0;
            invlpg(address);
        }
    paging_off();
    return sum;
}

// 64 pages touched (one load and store each) in either space.
u32 run_cr3sw(u32 reps)
{
    u32 sum = 0;
    operations = (u64)reps * 2;
    for (u32 i = 0; i < 64; i++) {
        windowTableA[i] = ((uptr)windowFrames + i * 4096) | 3;
        windowTableB[i] = ((uptr)windowFrames + (256 + i) * 4096) | 3;
        *(u32 *)(windowFrames + i * 4096 + 64) = i;
        *(u32 *)(windowFrames + (256 + i) * 4096 + 64) = 7 * i;
    }
    paging_on();
    for (u32 r = 0; r < reps; r++) {
        cr3_write(rootB);
        for (u32 i = 0; i < 64; i++) sum += (*(volatile u32 *)(WINDOW + (uptr)i * 4096 + 64))++;
        cr3_write(rootA);
        for (u32 i = 0; i < 64; i++) sum += (*(volatile u32 *)(WINDOW + (uptr)i * 4096 + 64))++;
    }
    for (u32 i = 0; i < 64; i++) windowTableA[i] = windowTableB[i] = 0;
    cr3_write(rootA);
    paging_off();
    return sum;
}

u32 run_crcpg(u32 reps)
{
    for (u32 i = 0; i < CRC_BYTES / 4096; i++) windowTableA[i] = ((uptr)crcBytes + i * 4096) | 3;
    paging_on();
    u32 c = ~0u;
    operations = (u64)reps * CRC_BYTES;
    volatile uptr window = WINDOW;
    u8 *bytes = (u8 *)window;
    while (reps--)
        for (u32 i = 0; i < CRC_BYTES; i++) c = crcTable[(c ^ bytes[i]) & 255] ^ (c >> 8);
    for (u32 i = 0; i < CRC_BYTES / 4096; i++) windowTableA[i] = 0;
    cr3_write(rootA);
    paging_off();
    return ~c;
}
