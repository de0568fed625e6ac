// Interrupts that end in another order than the priorities': AMD's extended APIC registers (APM 2 16.4.6, 16.4.7), and the 8259's specific EOI (Intel 231468-003, OCW2).
#include "checks.h"

#define EXTENDED_FEATURE 0x400
#define EXTENDED_CONTROL 0x410
#define SPECIFIC_EOI 0x420
#define SEOI_BIT 2u
#define LOW 0x61u
#define HIGH 0x72u

static u32 in_service(u32 vector) { return apic_read(0x100 + vector / 32 * 16) >> (vector & 31) & 1; }

// --- the local APIC: the higher interrupt nests in the lower one's handler, and the lower one ends first
static volatile u32 nested;
static void lower(struct frame *f)
{
    (void)f;
    interrupts_on();
    apic_icr(0x44000 | HIGH, 0);
    asm volatile("nop; nop");
    interrupts_off();
}
static void higher(struct frame *f)
{
    (void)f;
    nested++;
    expect(in_service(LOW) && in_service(HIGH), "both are in service");
    apic_write(EXTENDED_CONTROL, 0);
    apic_write(SPECIFIC_EOI, LOW);
    expect(in_service(LOW) && in_service(HIGH), "a specific EOI ends nothing unless it is enabled");
    apic_write(EXTENDED_CONTROL, SEOI_BIT);
    apic_write(SPECIFIC_EOI, LOW + 1);
    expect(in_service(LOW) && in_service(HIGH), "nor one of a vector that is not in service");
    apic_write(SPECIFIC_EOI, LOW);
    expect(!in_service(LOW) && in_service(HIGH), "a specific EOI ends its vector, not the highest");
    expect_value(apic_read(0xa0), HIGH & 0xf0, "PPR is the other one's");
    apic_write(SPECIFIC_EOI, LOW);
    expect(in_service(HIGH), "and ends it once");
    apic_write(SPECIFIC_EOI, HIGH);
    expect(!in_service(HIGH), "the highest, too");
    expect_value(apic_read(0xa0), 0, "nothing is in service");
}
static void specific(void)
{
    handlers[LOW] = lower;
    handlers[HIGH] = higher;
    nested = 0;
    expect_value(apic_read(EXTENDED_FEATURE) & SEOI_BIT, SEOI_BIT, "the extended registers have specific EOI");
    interrupts_on();
    apic_icr(0x44000 | LOW, 0);
    asm volatile("nop; nop");
    interrupts_off();
    expect_value(nested, 1, "the higher interrupt came");
    apic_write(EXTENDED_CONTROL, 0);
}

// --- the 8259: lines by the test device at ports 0x2000 (IRQ 0) on
#define LINES 0x2000
#define MASTER 0x20
#define SLAVE 0xa0
#define BASE 0x30
static volatile u32 lines[4], lineCount;

static u32 pic_in_service(u16 chip)
{
    outb(chip, 0x0b);
    return inb(chip);
}
static void pic_start(u16 chip, u8 base, u8 cascade)
{
    outb(chip, 0x11);
    outb((u16)(chip + 1), base);
    outb((u16)(chip + 1), cascade);
    outb((u16)(chip + 1), 1);
}
static void line_taken(struct frame *f) { lines[lineCount++ & 3] = (u32)f->vector - BASE; }
static void take_line(u32 line)
{
    outb((u16)(LINES + line), 1);
    outb((u16)(LINES + line), 0);
    interrupts_on();
    asm volatile("nop; nop");
    interrupts_off();
}
static void specific_8259(void)
{
    for (u32 line = 0; line < 16; line++) handlers[BASE + line] = line_taken;
    pic_start(MASTER, BASE, 4);
    pic_start(SLAVE, BASE + 8, 2);
    outb(MASTER + 1, (u8)~(1 << 2 | 1 << 3 | 1 << 5));
    outb(SLAVE + 1, (u8)~(1 << 4));
    apic_write(0x350, 0x700);
    lineCount = 0;
    take_line(5);
    expect(lineCount == 1 && lines[0] == 5, "IRQ 5");
    take_line(3);
    expect(lineCount == 2 && lines[1] == 3, "IRQ 3 comes while 5 is in service");
    expect_value(pic_in_service(MASTER), 1 << 3 | 1 << 5, "both are in service");
    outb(MASTER, 0x60 | 5);
    expect_value(pic_in_service(MASTER), 1 << 3, "a specific EOI ends IRQ 5 below 3");
    take_line(5);
    expect(lineCount == 2, "5 waits for 3");
    take_line(12);
    expect(lineCount == 3 && lines[2] == 12, "IRQ 12 comes, its cascade is above 3");
    expect_value(pic_in_service(SLAVE), 1 << 4, "it is in service at the slave");
    outb(MASTER, 0x60 | 3);
    expect_value(pic_in_service(MASTER), 1 << 2, "IRQ 3 ends below the cascade");
    outb(SLAVE, 0x60 | 4);
    expect_value(pic_in_service(SLAVE), 0, "IRQ 12 ends at the slave");
    outb(MASTER, 0x60 | 2);
    interrupts_on();
    asm volatile("nop; nop");
    interrupts_off();
    expect(lineCount == 4 && lines[3] == 5, "now 5 comes");
    outb(MASTER, 0x60 | 5);
    expect_value(pic_in_service(MASTER), 0, "nothing is in service at the master");
    apic_write(0x350, 0x10700);
    outb(MASTER + 1, 0xff);
    outb(SLAVE + 1, 0xff);
}

void check_eoi(void)
{
    interrupts_off();
    if (apic_read(0x30) >> 31) {
        specific();
        if (apic_x2_enable()) {
            specific();
            apic_reset();
        }
    }
    specific_8259();
}
