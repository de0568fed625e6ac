// Entry of the timing guest (multiboot 1), the second processor's start-up code, page tables, interrupt entry points.
// Built twice: with -DLONG for the 64-bit image, which stands in an ELF32 container because multiboot loaders take no other.

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 0x00000003
#define TRAMPOLINE 0x8000
#define EFER 0xC0000080
#define STACK_SIZE 65536

        .section .boot, "ax"
        .code32
        .balign 4
        .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        .globl _start
_start:
        cli
        cld
        movl %ebx, %esi
        movl $bssStart, %edi
        movl $bssEnd, %ecx
        subl %edi, %ecx
        shrl $2, %ecx
        xorl %eax, %eax
        rep stosl
        movl %esi, multibootInfo
        movl $stackTop, %esp
        lgdt gdtPointer
        ljmp $0x08, $1f
1:      movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        call floating_point_on
#ifdef LONG
        call build_tables
        call enter_long
        ljmp $0x18, $entry64
#else
        call boot_main                    // does not return
#endif

// CR0: EM and TS clear, MP and NE set. CR4: PSE, OSFXSR, OSXMMEXCPT.
floating_point_on:
        movl %cr0, %eax
        andl $~0xC, %eax
        orl $0x22, %eax
        movl %eax, %cr0
        movl %cr4, %eax
        orl $0x610, %eax
        movl %eax, %cr4
        fninit
        ret

#ifdef LONG
// Two address spaces: identity for the first and the last of 4 GiB by 2 MiB pages, and a window of 4 KiB pages at 1 GiB.
build_tables:
        movl $pdptA + 7, pml4A
        movl $pdptB + 7, pml4B
        movl $directoryLow + 7, pdptA
        movl $directoryLow + 7, pdptB
        movl $directoryWindowA + 7, pdptA + 8
        movl $directoryWindowB + 7, pdptB + 8
        movl $directoryHigh + 7, pdptA + 24
        movl $directoryHigh + 7, pdptB + 24
        movl $windowTableA + 7, directoryWindowA
        movl $windowTableB + 7, directoryWindowB
        xorl %ecx, %ecx
2:      movl %ecx, %eax
        shll $21, %eax
        orl $0x87, %eax
        movl %eax, directoryLow(, %ecx, 8)
        addl $0xC0000000, %eax
        movl %eax, directoryHigh(, %ecx, 8)
        incl %ecx
        cmpl $512, %ecx
        jne 2b
        ret

enter_long:
        movl $pml4A, %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax
        movl %eax, %cr4
        movl $EFER, %ecx
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80000000, %eax
        movl %eax, %cr0
        ret

        .code64
entry64:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $stackTop, %esp
        call boot_main                    // does not return
        .code32
#endif

// The second processor starts here, in real mode; copied to TRAMPOLINE.
        .balign 16
        .globl trampoline, trampolineEnd
        .code16
trampoline:
        cli
        xorw %ax, %ax
        movw %ax, %ds
        lgdtl TRAMPOLINE + (trampolineGdt - trampoline)
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl $0x08, $start32
trampolineGdt:
        .word gdtEnd - gdt - 1
        .long gdt
trampolineEnd:
        .code32
start32:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        movl $secondStackTop, %esp
        call floating_point_on
#ifdef LONG
        call enter_long
        ljmp $0x18, $start64
        .code64
start64:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $secondStackTop, %esp
        call second_main                  // does not return
        .code32
#else
        call second_main                  // does not return
#endif

        .section .data
        .balign 16
gdt:    .quad 0
        .quad 0x00CF9A000000FFFF    // 08 code, 32 bit
        .quad 0x00CF92000000FFFF    // 10 data
        .quad 0x00AF9A000000FFFF    // 18 code, 64 bit
gdtEnd:
gdtPointer:
        .word gdtEnd - gdt - 1
        .long gdt

        .section .bss
        .balign 4096
        .globl windowTableA, windowTableB, pml4A, pml4B, directoryA, directoryB, multibootInfo
windowTableA: .skip 4096
windowTableB: .skip 4096
#ifdef LONG
pml4A: .skip 4096
pml4B: .skip 4096
pdptA: .skip 4096
pdptB: .skip 4096
directoryLow: .skip 4096
directoryHigh: .skip 4096
directoryWindowA: .skip 4096
directoryWindowB: .skip 4096
#else
directoryA: .skip 4096
directoryB: .skip 4096
#endif
        .skip STACK_SIZE
stackTop:
        .skip STACK_SIZE
secondStackTop:
multibootInfo: .skip 8

        .section .text
        .globl on_soft_interrupt, on_fault
#ifdef LONG
        .code64
on_soft_interrupt:
        incl softInterrupts(%rip)
        iretq
#else
on_soft_interrupt:
        incl softInterrupts
        iret
#endif
on_fault:
        call fault                        // does not return
        .section .note.GNU-stack, "", @progbits
