// Entry of the V86 monitor, its interrupt entries, and the code of its tasks, which is of 16 bits and knows nothing of the monitor but INT 21h.
#define MULTIBOOT_MAGIC 0x1BADB002
#define OFF(symbol) (symbol - taskStart)
#define DATA 0x10

        .section .boot, "ax"
        .code32
        .balign 4
        .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC
        .globl _start
_start:
        cli
        cld
        movl $stackTop, %esp
        lgdt gdtPointer
        ljmp $0x08, $1f
1:      movw $DATA, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        pushl $stackTop
        pushl $gdt
        pushl %ebx
        call monitor_main

        .text
        .macro entry vector
        .balign 16
        .if !((\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17))
        pushl $0
        .endif
        pushl $\vector
        jmp common
        .endm
        .globl entries
        .balign 16
entries:
        .set n, 0
        .rept 48
        entry n
        .set n, n + 1
        .endr

common: pushal
        cld
        movl $DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        pushl %esp
        call event
        popl %eax
        .globl leave
leave:  popal
        addl $8, %esp
        iretl

// Goes to the frame, whose last words are the top of the stack.
        .globl enter_frame
enter_frame:
        movl 4(%esp), %esi
        movl $stackTop - 19 * 4, %edi
        movl %edi, %esp
        movl $19, %ecx
        rep movsl
        jmp leave

// --- the tasks' code. SI: number of the task.
        .section .rodata
        .globl taskStart, taskEnd
        .code16
taskStart:
        movw %cs, %ax
        movw %ax, %ds
        // A vector of its own, which the monitor must reflect.
        xorw %ax, %ax
        movw %ax, %es
        movw $OFF(own), %es:0x60 * 4
        movw %cs, %es:0x60 * 4 + 2
        movw $OFF(overflow), %es:4 * 4
        movw %cs, %es:4 * 4 + 2
        sti
again:  movw $1, %ax
        movw $400, %cx
1:      movw $25173, %bx
        mulw %bx
        addw $13849, %ax
        addw %si, %ax
        loop 1b
        movw %ax, OFF(value)
        // IF is the task's own: CLI, PUSHF and POPF are the monitor's work.
        cli
        pushf
        popw %bx
        sti
        pushf
        popw %dx
        testw $0x200, %bx
        jnz wrong
        testw $0x200, %dx
        jz wrong
        pushw %bx
        popf
        pushf
        popw %dx
        cmpw %dx, %bx
        jne wrong
        // By way of the task's own table, and back by an IRET that is the monitor's work too.
        sti
        movw $7, %dx
        int $0x60
        cmpw $8, %dx
        jne wrong
        pushf
        popw %dx
        testw $0x200, %dx
        jz wrong
        // A port that the permission bitmap opens, and one that it does not: the monitor answers 5Ah.
        movb $0x33, %al
        outb %al, $0x80
        inb $0x80, %al
        inb $0x71, %al
        cmpb $0x5a, %al
        jne wrong
        // 16-bit code with operands and addresses of 32 bits.
        movl $0x12345678, %eax
        leal 1(%eax, %eax, 2), %eax
        cmpl $0x369d0369, %eax
        jne wrong
        // INTO, and a string of the task's memory.
        movb $0x7f, %al
        incb %al
        into
        cmpw $1, OFF(overflows)
        jne wrong
        movw $0, OFF(overflows)
        movw $0x2000, %ax
        movw %ax, %es
        xorw %di, %di
        movw OFF(value), %ax
        movw $64, %cx
        rep stosw
        cmpw %es:126, %ax
        jne wrong
        movw OFF(value), %dx
        movb $1, %ah
report: int $0x21
        jmp again
wrong:  movb $2, %ah
        jmp report
own:    incw %dx
        iret
overflow:
        incw %cs:OFF(overflows)
        iret
value:  .word 0
overflows:
        .word 0
taskEnd:
        .code32

        .section .data
        .balign 8
        .globl gdt
// 08 code, 10 data, 18 task state segment
gdt:    .quad 0
        .quad 0x00CF9B000000FFFF
        .quad 0x00CF93000000FFFF
        .quad 0
gdtPointer:
        .word gdtPointer - gdt - 1
        .long gdt

        .section .bss
        .balign 16
        .skip 16384
stackTop:
        .section .note.GNU-stack, "", @progbits
