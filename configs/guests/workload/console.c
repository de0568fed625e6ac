// COM1 (8250 registers at 0x3f8) for people, ports 0xf4 and 0x604 for leaving.
#include "kernel.h"

#define COM1 0x3f8
#define LINE_STATUS_EMPTY 0x20

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

static void print_character(char c)
{
    // A UART that never empties must not stop the guest.
    for (u32 i = 0; i < 100000 && !(inb(COM1 + 5) & LINE_STATUS_EMPTY); i++) spin_pause();
    outb(COM1, (u8)c);
}

void print(const char *text)
{
    while (*text) print_character(*text++);
}

// 64 by 32 bit division by shifts: the 32-bit build has no library for it.
u64 divide(u64 dividend, u32 divisor)
{
    u64 quotient = 0, rest = 0;
    for (int i = 63; i >= 0; i--) {
        rest = rest << 1 | ((dividend >> i) & 1);
        if (rest >= divisor) { rest -= divisor; quotient |= 1ull << i; }
    }
    return quotient;
}

void print_decimal(u64 value)
{
    char digits[24];
    u32 n = 0;
    do {
        u64 tenth = divide(value, 10);
        digits[n++] = (char)('0' + (u32)(value - tenth * 10));
        value = tenth;
    } while (value);
    while (n) print_character(digits[--n]);
}

void print_hex(uptr value)
{
    for (int i = (int)sizeof value * 8 - 4; i >= 0; i -= 4) print_character("0123456789abcdef"[(value >> i) & 15]);
}

void power_off(u32 status)
{
    outl(0xf4, status);
    for (;;) asm volatile("cli; hlt");
}

// GCC may call these for structure copies and initialisations.
void *memset(void *to, int value, uptr n)
{
    void *at = to;
    asm volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(value) : "memory");
    return to;
}
void *memcpy(void *to, const void *from, uptr n)
{
    void *at = to;
    asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n)::"memory");
    return to;
}
