// COM1, on which the guest says when each workload begins and ends, and port 0xf4 for leaving.
#include "bench.h"

#define COM1 0x3f8

void console_start(void)
{
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 0x80);
    outb(COM1 + 0, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 2, 7);
    outb(COM1 + 4, 3);
}

void print_character(char c)
{
    while (!(inb(COM1 + 5) & 0x20)) spin_pause();
    outb(COM1, (u8)c);
}
void print(const char *text) { while (*text) print_character(*text++); }
void print_hex(u32 value) { for (int i = 28; i >= 0; i -= 4) print_character("0123456789abcdef"[(value >> i) & 15]); }

// Division by ten in 32-bit halves: the 32-bit build has no library for 64-bit ones.
void print_decimal(u64 value)
{
    char digits[24];
    u32 n = 0, high = (u32)(value >> 32), low = (u32)value;
    do {
        u32 rest = high % 10, quotient = 0;
        for (int i = 31; i >= 0; i--) {
            rest = rest << 1 | (low >> i & 1);
            quotient <<= 1;
            if (rest >= 10) { rest -= 10; quotient |= 1; }
        }
        digits[n++] = (char)('0' + rest);
        high /= 10;
        low = quotient;
    } while (high | low);
    while (n) print_character(digits[--n]);
}

void quit(void)
{
    print("DONE\n");
    outl(0xf4, 0);
    for (;;) asm volatile("cli; hlt");
}

__attribute__((used)) void fault(void)
{
    print("FAULT\n");
    quit();
}

// GCC may call these for structure copies and initialisations.
void *memset(void *to, int value, uptr n) { u8 *p = to; while (n--) *p++ = (u8)value; return to; }
void *memcpy(void *to, const void *from, uptr n) { u8 *p = to; const u8 *q = from; while (n--) *p++ = *q++; return to; }
