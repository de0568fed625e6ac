// Entry of the checks guest: multiboot without flags at 4 MiB, the other processors started all at once by a broadcast to
// vector 0, as images of the kvm-unit-tests family do. Built twice: with -DLONG for the 64-bit image, which stands in an ELF32 container.

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 0
#define STACK_SIZE 8192
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
        lgdt gdtPointer
        ljmp $0x08, $1f
1:      call data_segments
        call build_tables
        call paging_on
#ifdef LONG
        ljmp $0x18, $2f
        .code64
2:      movl %esp, %esp
#endif
        call boot_main                    // does not return
        .code32

data_segments:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        ret

// Identity map of 4 GiB. In the 32-bit build by 4 MiB pages.
build_tables:
        xorl %ecx, %ecx
3:      movl %ecx, %eax
#ifdef LONG
        shll $21, %eax
        orl $0xe7, %eax
        movl %eax, directories(, %ecx, 8)
        incl %ecx
        cmpl $2048, %ecx
        jne 3b
        movl $pdpt + 7, root
        movl $directories + 0x0007, pdpt
        movl $directories + 0x1007, pdpt + 8
        movl $directories + 0x2007, pdpt + 16
        movl $directories + 0x3007, pdpt + 24
#else
        shll $22, %eax
        orl $0xe7, %eax
        movl %eax, root(, %ecx, 4)
        incl %ecx
        cmpl $1024, %ecx
        jne 3b
#endif
        ret

paging_on:
        movl %cr4, %eax
#ifdef LONG
        orl $0x620, %eax                  // PAE, OSFXSR, OSXMMEXCPT
#else
        orl $0x610, %eax                  // PSE
#endif
        movl %eax, %cr4
        movl $root, %eax
        movl %eax, %cr3
#ifdef LONG
        movl $EFER, %ecx
        rdmsr
        orl $0x100, %eax
        wrmsr
#endif
        movl %cr0, %eax
        orl $0x80010022, %eax             // PG, WP, NE, MP
        andl $~0x6000000C, %eax           // CD, NW, EM, TS
        movl %eax, %cr0
        fninit
        ret

// Copied to address 0. Each takes the next number, which is its stack.
        .globl apStart, apStartEnd
        .code16
apStart:
        cli
        lgdtl apGdtPointer - apStart
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl $0x08, $ap32
        .balign 4
apGdtPointer:
        .word gdtEnd - gdt - 1
        .long gdt
apStartEnd:

        .code32
ap32:
        movw $0x10, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %fs
        movw %ax, %gs
        movw %ax, %ss
        movl $1, %eax
        lock xaddl %eax, nextProcessor
        movl %eax, %ebp
        incl %eax
        imull $STACK_SIZE, %eax
        leal stacks(%eax), %esp
        call paging_on
#ifdef LONG
        ljmp $0x18, $4f
        .code64
4:      movl %esp, %esp
        movl %ebp, %edi
#else
        pushl %ebp
        pushl $0
#endif
        jmp processor_main                // does not return
        .code32

        .section .data
        .balign 16
        .globl gdt, multibootInfo
gdt:    .quad 0
        .quad 0x00CF9B000000FFFF    // 08 code, 32 bit
        .quad 0x00CF93000000FFFF    // 10 data
        .quad 0x00AF9B000000FFFF    // 18 code, 64 bit
        .fill 2 * 64, 8, 0          // 20 one TSS for each processor: 16 bytes each
gdtEnd:
gdtPointer:
        .word gdtEnd - gdt - 1
        .long gdt
        .balign 4
nextProcessor: .long 1
multibootInfo: .long 0

        .section .bss
        .balign 8192
        .globl stacks
stacks: .skip 64 * STACK_SIZE
        .balign 4096
root:   .skip 4096
#ifdef LONG
pdpt:   .skip 4096
directories: .skip 4 * 4096
#endif
        .section .note.GNU-stack, "", @progbits
