// `pagechurn` (map, touch, unmap, INVLPG) and `switch` (address spaces in turn). Every frame carries its own number, so a stale translation shows.
#include "kernel.h"

#define FRAMES_PER_VP 16u
#define TABLES_MAX 256u
#define PAGES_SHARED_MAX 64u
#define PAGES_PRIVATE_MAX 512u
#define SPACES_MAX 256u
#define SPACE_PAGES 64u
#define POOL_FRAMES 256u
#define CR4_PGE 0x80u

static volatile u32 makingSpaces;
static struct space sharedSpace, privateSpaces[VPS_MAX], switchSpaces[SPACES_MAX];
static uptr churnFrames[VPS_MAX], churnTables[VPS_MAX], pool;

static u32 at_most(u32 value, u32 limit) { return value < limit ? value : limit; }
static u32 at_least_one(u32 value) { return value ? value : 1; }

static void making_begin(void) { while (atomic_exchange(&makingSpaces, 1)) spin_pause(); }
static void making_end(void) { compiler_barrier(); makingSpaces = 0; }

static void frames_number(uptr frames, u32 count, u32 first)
{
    for (u32 i = 0; i < count; i++) *(volatile u32 *)(frames + (uptr)i * PAGE_SIZE) = first + i;
}

// No memory for this job: that is an error of the request, and the VP waits for the next one.
static void out_of_memory(struct vp *vp)
{
    job_error(vp);
    job_idle(vp);
}

static struct space *churn_prepare(struct vp *vp, u32 shared, u32 tables)
{
    struct space *space = shared ? &sharedSpace : &privateSpaces[vp->index];
    making_begin();
    if (!churnFrames[vp->index]) {
        churnFrames[vp->index] = pages_take(FRAMES_PER_VP);
        if (churnFrames[vp->index]) frames_number(churnFrames[vp->index], FRAMES_PER_VP, vp->index * FRAMES_PER_VP);
    }
    if (!space->root && !space_make(space, shared ? VPS_MAX * PAGES_SHARED_MAX : PAGES_PRIVATE_MAX, vp->node)) space = 0;
    if (tables && !churnTables[vp->index]) churnTables[vp->index] = pages_take_on(vp->node, TABLES_MAX);
    making_end();
    return churnFrames[vp->index] && (!tables || churnTables[vp->index]) ? space : 0;
}

void job_pagechurn(struct vp *vp)
{
    u32 shared = vp->parameters[1], probe = vp->parameters[2], reload = vp->parameters[3];
    // What a space of one's own has for its table is nobody else's.
    u32 tables = shared ? 0 : at_most(vp->parameters[4], TABLES_MAX);
    u32 pages = at_least_one(at_most(vp->parameters[0], shared ? PAGES_SHARED_MAX : PAGES_PRIVATE_MAX));
    // In the shared space each VP has pages of its own beside its neighbours' in the same page tables.
    u32 first = shared ? vp->index * PAGES_SHARED_MAX : 0;
    struct space *space = churn_prepare(vp, shared, tables);
    if (!space) { out_of_memory(vp); return; }
    uptr frames = churnFrames[vp->index];
    cr3_write(space->root);
    for (u32 round = 0; job_goes_on(vp); round++) {
        u64 start = rdtsc();
        if (tables) {
            space_move(space, churnTables[vp->index] + (uptr)(round % tables) * PAGE_SIZE);
            cr3_write(space->root);
        }
        for (u32 i = 0; i < pages; i++) space_map(space, first + i, frames + (uptr)((i + round) % FRAMES_PER_VP) * PAGE_SIZE);
        for (u32 i = 0; i < pages; i++) {
            u32 frame = (i + round) % FRAMES_PER_VP, word = 16 + i;
            volatile u32 *page = (volatile u32 *)window_address(first + i);
            volatile u32 *direct = (volatile u32 *)(frames + (uptr)frame * PAGE_SIZE);
            if (page[0] != vp->index * FRAMES_PER_VP + frame) job_error(vp);
            page[word] = round + i;
            if (direct[word] != round + i) job_error(vp);
        }
        for (u32 i = 0; i < pages; i++) {
            space_unmap(space, first + i);
            if (reload) continue;
            invlpg(window_address(first + i));
            if (probe && !probe_read(window_address(first + i))) job_error(vp);
        }
        if (reload) {
            cr3_write(space->root);
            for (u32 i = 0; probe && i < pages; i++)
                if (!probe_read(window_address(first + i))) job_error(vp);
        }
        job_latency(vp, rdtsc() - start);
        vp->entry->operations++;
    }
    cr3_write(baseRoot);
}

static struct space *switch_prepare(u32 index, u32 node)
{
    struct space *space = &switchSpaces[index];
    if (*(volatile uptr *)&space->root) return space;
    making_begin();
    if (!pool && (pool = pages_take(POOL_FRAMES))) frames_number(pool, POOL_FRAMES, 0);
    struct space made = { 0 };
    if (pool && !space->root && space_make(&made, SPACE_PAGES, node)) {
        for (u32 p = 0; p < SPACE_PAGES; p++) space_map(&made, p, pool + (uptr)((index * 17 + p) % POOL_FRAMES) * PAGE_SIZE);
        space->window = made.window;
        space->pages = made.pages;
        compiler_barrier();
        *(volatile uptr *)&space->root = made.root;
    }
    making_end();
    return space->root ? space : 0;
}

void job_switch(struct vp *vp)
{
    u32 spaces = at_least_one(at_most(vp->parameters[0], SPACES_MAX)), pages = at_most(vp->parameters[1], SPACE_PAGES);
    u32 first = vp->parameters[2] ? vp->index * spaces : 0, flush = vp->parameters[3];
    for (u32 turn = 0; job_goes_on(vp); turn++) {
        u32 index = (first + turn % spaces) % SPACES_MAX;
        struct space *space = switch_prepare(index, vp->node);
        if (!space) { out_of_memory(vp); break; }
        u64 start = rdtsc();
        cr3_write(space->root);
        for (u32 p = 0; p < pages; p++) {
            volatile u32 *page = (volatile u32 *)window_address(p);
            if (page[0] != (index * 17 + p) % POOL_FRAMES) job_error(vp);
            page[16 + vp->index] = turn;
            if (page[16 + vp->index] != turn) job_error(vp);
        }
        // Global pages on or off: every translation goes (SDM 3A 4.10.4.1).
        if (flush && turn % flush == 0) cr4_write(cr4_read() ^ CR4_PGE);
        job_latency(vp, rdtsc() - start);
        vp->entry->operations++;
    }
    cr3_write(baseRoot);
}
