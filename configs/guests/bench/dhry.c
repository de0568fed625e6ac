// dhry: the mixture of a Dhrystone: strings, records through pointers, switches, small calls, divisions.
#include "bench.h"

struct record { struct record *next; int kind, a, b; char name[32]; };
static struct record first, second;
static int array1[64], array2[32][32], globalInt;
static char global1, global2;

static NOINLINE int compare(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return (u8)*a - (u8)*b;
}
static NOINLINE void copy(char *to, const char *from) { while ((*to++ = *from++)); }
static NOINLINE int choose(int kind, int v)
{
    switch (kind & 7) {
    case 0: return v + 3;
    case 1: return v ^ 0x55;
    case 2: return v * 5;
    case 3: return v - 7;
    case 4: return v << 1;
    case 5: return (int)((u32)v >> 1);
    case 6: return v + globalInt;
    default: return -v;
    }
}
static NOINLINE void arrays(int *p, int q[32][32], int x, int y)
{
    int l = x + 5;
    p[l] = y;
    p[l + 1] = p[l];
    p[l + 30] = l;
    for (int i = l; i <= l + 1; i++) q[l][i] = l;
    q[l][l - 1]++;
    q[l + 8][l] = p[l];
    globalInt = 5;
}
static NOINLINE void records(struct record *p)
{
    struct record *n = p->next;
    *n = *p;
    p->a = 5;
    n->a = p->a;
    n->next = p->next;
    if (n->kind == 0) { n->a = 6; n->b = choose(p->b, n->b); n->next = first.next; n->a += 10; }
    else *p = *n;
}
static NOINLINE int check(char a, char b)
{
    char c = a;
    if (c != b) return 0;
    global1 = c;
    return 1;
}

u32 run_dhry(u32 reps)
{
    char text1[32], text2[32];
    u32 sum = 0;
    int i1, i2, i3 = 0;
    operations = reps;
    first.next = &second;
    first.kind = 0;
    first.a = 2;
    first.b = 40;
    copy(first.name, "HVD PERF GUEST, SOME STRING");
    copy(text1, "HVD PERF GUEST, 1'ST STRING");
    for (u32 r = 0; r < reps; r++) {
        global1 = 'A';
        global2 = global1 == 'A' ? 'B' : 'C';
        i1 = 2;
        i2 = 3;
        copy(text2, "HVD PERF GUEST, 2'ND STRING");
        int equal = compare(text1, text2);
        while (i1 < i2) { i3 = 5 * i1 - i2; i1 = choose((int)r, i1) & 1 ? i1 + 1 : i2; }
        arrays(array1, array2, (i3 & 7) + 1, (int)r);
        records(&first);
        for (char c = 'A'; c <= global2; c++) if (check(c, 'C')) copy(text2, text1);
        i2 = i2 * (i1 | 1);
        i1 = i2 / ((i3 & 15) + 1);
        i2 = 7 * (i2 - i3) - i1;
        first.b = choose(i2, first.b);
        sum = sum * 31 + (u32)i2 + (u32)equal + (u32)(second.a + second.b);
    }
    return sum;
}
