// Entry of the boot processor (multiboot 1, SDM 3A 10.8.5 for long mode) and the start-up code of the others.
// Built twice: with -DLONG for the 64-bit image, which stands in an ELF32 container because multiboot loaders take no other.

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 0x00000003
#define STACK_SIZE 16384
#define TRAMPOLINE 0x8000
#define EFER 0xC0000080

        .section .boot, "ax"
        .code32
        .balign 4
        .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        .globl _start
_start:
        cli
        cld
        movl %ebx, multibootInfo
        movl $stacks + STACK_SIZE, %esp
        lgdt bootGdtPointer
        ljmp $0x08, $1f
1:      movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        xorl %eax, %eax
        movw %ax, %fs
        movw %ax, %gs
#ifdef LONG
        call build_base
        call enter_long
        ljmp $0x18, $entry64
#else
        call boot_main                    // does not return
#endif

#ifdef LONG
// Identity map of the first 4 GiB by 2 MiB pages; what lies at 0xFEC00000 and above is uncached (PCD, PWT).
build_base:
        movl $basePdpt + 3, basePml4
        movl $basePds + 0x0003, basePdpt
        movl $basePds + 0x1003, basePdpt + 8
        movl $basePds + 0x2003, basePdpt + 16
        movl $basePds + 0x3003, basePdpt + 24
        xorl %ecx, %ecx
3:      movl %ecx, %eax
        shll $21, %eax
        cmpl $0xFEC00000 >> 21, %ecx
        jb 4f
        orl $0x18, %eax
4:      orl $0x83, %eax
        movl %eax, basePds(, %ecx, 8)
        incl %ecx
        cmpl $2048, %ecx
        jne 3b
        ret

enter_long:
        movl $basePml4, %eax
        movl %eax, %cr3
        movl %cr4, %eax
        orl $0x20, %eax
        movl %eax, %cr4
        movl $EFER, %ecx
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80010000, %eax
        movl %eax, %cr0
        ret

        .code64
entry64:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $stacks + STACK_SIZE, %esp
        call boot_main                    // does not return
        .code32
#endif

// Start-up code, copied to TRAMPOLINE. Each processor finds its stack by its own APIC ID, so that all may start at once and late ones disturb nobody.
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
        .balign 4
trampolineGdt:
        .word bootGdtEnd - bootGdt - 1
        .long bootGdt
trampolineEnd:

        .code32
start32:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        xorl %eax, %eax
        movw %ax, %fs
        movw %ax, %gs
        movl $1, %eax
        cpuid
        shrl $24, %ebx
        movl stackOfApic(, %ebx, 4), %esp
        testl %esp, %esp
        jz 7f
#ifdef LONG
        call enter_long
        ljmp $0x18, $start64
        .code64
start64:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl %esp, %esp
        call processor_main               // does not return
        .code32
#else
        movl baseCr4, %eax
        movl %eax, %cr4
        movl baseRoot, %eax
        movl %eax, %cr3
        movl %cr0, %eax
        orl $0x80010000, %eax
        movl %eax, %cr0
        call processor_main
#endif
// A processor that the firmware tables did not name stays here.
7:      cli
        hlt
        jmp 7b

        .section .data
        .balign 16
bootGdt:
        .quad 0
        .quad 0x00CF9A000000FFFF    // 08 code, 32 bit
        .quad 0x00CF92000000FFFF    // 10 data
        .quad 0x00AF9A000000FFFF    // 18 code, 64 bit
bootGdtEnd:
bootGdtPointer:
        .word bootGdtEnd - bootGdt - 1
        .long bootGdt
        .globl multibootInfo
        .balign 4
multibootInfo: .long 0

        .section .bss
        .balign 16384
        .globl stacks
stacks: .skip 64 * STACK_SIZE
#ifdef LONG
        .globl basePml4, basePdpt
        .balign 4096
basePml4: .skip 4096
basePdpt: .skip 4096
basePds: .skip 4 * 4096
#endif
        .section .note.GNU-stack, "", @progbits
