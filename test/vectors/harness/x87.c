// Runs x87 instructions on this processor. Input records: u16 fcw, fsw; u8 tags (as FXSAVE), u8 code length, u8 code[14], u8 memory[16], u8 st[8][10], u32 flags.
// Output records: u16 fcw, fsw; u8 tags, u8 spare; u16 ax; u32 flags; u8 memory[16], u8 st[8][10]. The memory operand is at RAX.
// Why no signals: an unmasked exception is pending until the next waiting instruction, and there is none.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct in { uint16_t fcw, fsw; uint8_t tags, length, code[14], memory[16], st[8][10]; uint32_t flags; } __attribute__((packed));
struct out { uint16_t fcw, fsw; uint8_t tags, spare; uint16_t ax; uint32_t flags; uint8_t memory[16], st[8][10]; } __attribute__((packed));

static uint8_t image[512] __attribute__((aligned(16)));
static uint8_t memory[64] __attribute__((aligned(64)));

int main(void)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct in in;
    while (fread(&in, sizeof in, 1, stdin) == 1) {
        struct out out = {0};
        memset(image, 0, sizeof image);
        memcpy(image, &in.fcw, 2);
        memcpy(image + 2, &in.fsw, 2);
        image[4] = in.tags;
        image[25] = 0x1f;
        image[24] = 0x80;
        for (int i = 0; i < 8; i++)
            memcpy(image + 32 + 16 * i, in.st[i], 10);
        memcpy(memory, in.memory, 16);
        memcpy(code, in.code, in.length);
        code[in.length] = 0xc3;
        uint64_t flags = in.flags, ax = (uint64_t)memory;
        __asm__ volatile(
            "fxrstor64 %2\n\t"
            "pushq %1\n\tpopfq\n\t"
            "call *%4\n\t"
            "pushfq\n\tpopq %1\n\t"
            "fxsave64 %2\n\t"
            "fninit"
            : "+a"(ax), "+r"(flags), "+m"(image), "+m"(memory)
            : "r"(code)
            : "cc", "memory", "rcx", "rdx");
        memcpy(&out.fcw, image, 2);
        memcpy(&out.fsw, image + 2, 2);
        out.tags = image[4];
        out.ax = ax;
        out.flags = flags & 0x8d5;
        memcpy(out.memory, memory, 16);
        for (int i = 0; i < 8; i++)
            memcpy(out.st[i], image + 32 + 16 * i, 10);
        fwrite(&out, sizeof out, 1, stdout);
    }
    return 0;
}
