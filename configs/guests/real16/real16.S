// A guest of real mode: once it has left the multiboot loader's protected mode it stays in 16-bit code, with the interrupt vector table at 0, its own timer interrupts
// and a console without BIOS. Each round checks what real mode promises; after TICKS timer ticks it prints
// `DONE real16 rounds=N ticks=N errors=N` and writes 0 or 1 to port 0xf4.

#define MULTIBOOT_MAGIC 0x1BADB002
#define SEGMENT 0x1000
#define BASE 0x10000
#define TICKS 40
#define PIT_DIVISOR 1193
#define COM1 0x3f8
#define OFF(symbol) (symbol - realStart)
#define LCG_STEPS 500

        .section .boot, "ax"
        .code32
        .balign 4
        .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC
        .globl _start
_start:
        cli
        cld
        movl $realStart, %esi
        movl $BASE, %edi
        movl $realEnd - realStart, %ecx
        rep movsb
        // What a round in 16-bit code must come to, by 32-bit code.
        movl $1, %eax
        movl $LCG_STEPS, %ecx
1:      imull $25173, %eax, %eax
        addl $13849, %eax
        decl %ecx
        jnz 1b
        movw %ax, BASE + OFF(wanted)
        lgdt gdtPointer
        lidt realIdt
        ljmp $0x08, $OFF(protected16)
        .balign 8
// 08 code of 16 bits at BASE, 10 data of 16 bits
gdt:    .quad 0
        .quad 0x00009B010000FFFF
        .quad 0x000093000000FFFF
gdtPointer:
        .word gdtPointer - gdt - 1
        .long gdt
realIdt:
        .word 0x3ff
        .long 0

        .section .real, "ax"
        .code16
realStart:
protected16:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        movl %cr0, %eax
        andl $~1, %eax
        movl %eax, %cr0
        ljmp $SEGMENT, $OFF(real16)

real16: movw %cs, %ax
        movw %ax, %ds
        movw %ax, %ss
        movw $0xfff0, %sp
        call console_start
        movw $OFF(hello), %si
        call print
        call vectors
        call timer_start
        call big_segment
        sti
round:  call check_service
        call check_arithmetic
        call check_wrap
        call check_strings
        call check_faults
        call check_big
        call check_steps
        incw OFF(rounds)
        hlt
        cmpw $TICKS, OFF(ticks)
        jb round
        cli
        movw $OFF(done), %si
        call print
        movw OFF(rounds), %ax
        call decimal
        movw $OFF(doneTicks), %si
        call print
        movw OFF(ticks), %ax
        call decimal
        movw $OFF(doneErrors), %si
        call print
        movw OFF(errors), %ax
        call decimal
        movb $'\n', %al
        call put
        xorl %eax, %eax
        cmpw $0, OFF(errors)
        je 2f
        incl %eax
2:      movw $0xf4, %dx
        outl %eax, %dx
3:      cli
        hlt
        jmp 3b

error:  incw OFF(errors)
        ret

// --- what a round checks

// INT n finds its vector in the table at 0 and IRET restores all flags.
check_service:
        movw $0x1234, %ax
        stc
        pushf
        popw %bx
        int $0x80
        pushf
        popw %cx
        cmpw %bx, %cx
        jne error
        cmpw $0x1235, %ax
        jne error
        // The way is also a far call through the table.
        pushf
        xorw %bx, %bx
        movw %bx, %es
        cli
        lcall *%es:0x80 * 4
        sti
        cmpw $0x1236, %ax
        jne error
        ret

check_arithmetic:
        movw $1, %ax
        movw $LCG_STEPS, %cx
1:      movw $25173, %bx
        mulw %bx
        addw $13849, %ax
        loop 1b
        cmpw OFF(wanted), %ax
        jne error
        ret

// FFFF:0510 is 0:0500 while A20 is closed, and 1 MiB + 500h when it is open.
check_wrap:
        xorw %ax, %ax
        movw %ax, %es
        decw %ax
        movw %ax, %gs
        movb $0, %al
        call a20
        movw $0x5aa5, %es:0x500
        cmpw $0x5aa5, %gs:0x510
        jne 1f
        movb $2, %al
        call a20
        movw $0x1234, %gs:0x510
        cmpw $0x5aa5, %es:0x500
        jne error
        ret
1:      movb $2, %al
        call a20
        jmp error
a20:    movb %al, %ah
        inb $0x92, %al
        andb $0xfc, %al
        orb %ah, %al
        outb %al, $0x92
        ret

// SI and DI go round at 64 KiB.
check_strings:
        movw $0x3000, %ax
        movw %ax, %es
        movw $0xfffe, %di
        movw $0x1122, %ax
        movw $3, %cx
        rep stosw
        cmpw $4, %di
        jne error
        pushw %ds
        movw $0x3000, %ax
        movw %ax, %ds
        movw $0xfffe, %si
        lodsw
        movw %ax, %bx
        lodsw
        popw %ds
        cmpw %ax, %bx
        jne error
        cmpw $2, %si
        jne error
        ret

// #DE and the limit of a segment, by vectors 0 and 13: the handlers go on at OFF(resume).
check_faults:
        movw $0, OFF(faults)
        movw $OFF(1f), OFF(resume)
        xorw %bx, %bx
        divw %bx
        call error
1:      movw $OFF(2f), OFF(resume)
        movl $0x10000, %esi
        movb %ds:(%esi), %al
        call error
2:      movw $OFF(3f), OFF(resume)
        movw $0xffff, %si
        movw (%si), %ax
        call error
3:      cmpw $3, OFF(faults)
        jne error
        ret

// FS has been given 4 GiB in protected mode, and keeps them.
check_big:
        movl $0x00123450, %esi
        movzwl OFF(rounds), %eax
        movl %eax, %fs:(%esi)
        cmpl %fs:(%esi), %eax
        jne error
        movw $0xffff, %ax
        movw %ax, %gs
        movl $0x100500, %esi
        movw %fs:(%esi), %ax
        cmpw %gs:0x510, %ax
        jne error
        ret
big_segment:
        pushfl
        cli
        lgdtl OFF(bigGdtPointer)
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        jmp 1f
1:      movw $0x08, %bx
        movw %bx, %fs
        andb $0xfe, %al
        movl %eax, %cr0
        jmp 2f
2:      popfl
        ret

// A trap after each instruction while TF is set, none in the handlers.
check_steps:
        movw $0, OFF(steps)
        pushf
        popw %ax
        orw $0x100, %ax
        pushw %ax
        popf
        nop
        nop
        andw $0xfeff, %ax
        pushw %ax
        popf
        cmpw $5, OFF(steps)
        jne error
        ret

// --- interrupts

vectors:
        xorw %ax, %ax
        movw %ax, %es
        movw $OFF(table), %si
1:      lodsw
        cmpw $-1, %ax
        je 2f
        movw %ax, %di
        shlw $2, %di
        movsw
        movw %cs, %ax
        stosw
        jmp 1b
2:      ret
timer_start:
        movb $0x11, %al
        outb %al, $0x20
        outb %al, $0xa0
        movb $0x08, %al
        outb %al, $0x21
        movb $0x70, %al
        outb %al, $0xa1
        movb $4, %al
        outb %al, $0x21
        movb $2, %al
        outb %al, $0xa1
        movb $1, %al
        outb %al, $0x21
        outb %al, $0xa1
        movb $0xfe, %al
        outb %al, $0x21
        movb $0xff, %al
        outb %al, $0xa1
        movb $0x34, %al
        outb %al, $0x43
        movw $PIT_DIVISOR, %ax
        outb %al, $0x40
        movb %ah, %al
        outb %al, $0x40
        ret
tick:   pushw %ax
        incw %cs:OFF(ticks)
        movb $0x20, %al
        outb %al, $0x20
        popw %ax
        iret
service:
        incw %ax
        clc
        iret
fault:  pushw %bp
        movw %sp, %bp
        incw %cs:OFF(faults)
        pushw %ax
        movw %cs:OFF(resume), %ax
        movw %ax, 2(%bp)
        popw %ax
        popw %bp
        iret
step:   incw %cs:OFF(steps)
        iret

// --- console

console_start:
        movw $COM1 + 3, %dx
        movb $3, %al
        outb %al, %dx
        ret
put:    pushw %dx
        pushw %cx
        pushw %ax
        movw $COM1 + 5, %dx
        movw $1000, %cx
1:      inb %dx, %al
        testb $0x20, %al
        loopz 1b
        popw %ax
        movw $COM1, %dx
        outb %al, %dx
        popw %cx
        popw %dx
        ret
print:  lodsb
        testb %al, %al
        jz 1f
        call put
        jmp print
1:      ret
decimal:
        xorw %cx, %cx
        movw $10, %bx
1:      xorw %dx, %dx
        divw %bx
        pushw %dx
        incw %cx
        testw %ax, %ax
        jnz 1b
2:      popw %ax
        addb $'0', %al
        call put
        loop 2b
        ret

        .balign 8
// 08 data of 4 GiB
bigGdt: .quad 0
        .quad 0x00CF93000000FFFF
bigGdtPointer:
        .word bigGdtPointer - bigGdt - 1
        .long BASE + OFF(bigGdt)
table:  .word 0, OFF(fault), 1, OFF(step), 8, OFF(tick), 13, OFF(fault), 0x80, OFF(service), -1
wanted: .word 0
rounds: .word 0
ticks:  .word 0
errors: .word 0
faults: .word 0
steps:  .word 0
resume: .word 0
hello:  .asciz "HELLO real16\n"
done:   .asciz "DONE real16 rounds="
doneTicks:
        .asciz " ticks="
doneErrors:
        .asciz " errors="
realEnd:
        .section .note.GNU-stack, "", @progbits
