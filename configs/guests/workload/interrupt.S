// Entry points of all 256 vectors: each leaves (vector, error code) on the stack and goes to one common path that calls interrupt(frame).
// Vectors 8, 10..14, 17, 21 bring an error code of their own (SDM 3A 6.13).

        .section .text
#ifdef LONG
        .code64
#define WORD .quad
#else
        .code32
#define WORD .long
#endif

        .macro stub number
stub_\number:
        .if !((\number == 8) || (\number >= 10 && \number <= 14) || (\number == 17) || (\number == 21))
#ifdef LONG
        pushq $0
#else
        pushl $0
#endif
        .endif
#ifdef LONG
        pushq $\number
#else
        pushl $\number
#endif
        jmp common
        .endm

        .altmacro
        .set i, 0
        .rept 256
        stub %i
        .set i, i + 1
        .endr

#ifdef LONG
common:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rbx
        pushq %rbp
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        cld
        movq %rsp, %rdi
        movq %rsp, %rbp
        andq $-16, %rsp
        call interrupt
        movq %rbp, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rbp
        popq %rbx
        popq %rdx
        popq %rcx
        popq %rax
        addq $16, %rsp
        iretq
#else
common:
        pushal
        cld
        movl %esp, %ebp
        pushl %esp
        call interrupt
        movl %ebp, %esp
        popal
        addl $8, %esp
        iret
#endif

// u32 probe_read(uptr address): reads a word there; interrupt() moves a #PF at probeInstruction on to probeFixup.
        .globl probe_read, probeInstruction, probeFixup
probe_read:
#ifdef LONG
probeInstruction:
        movl (%rdi), %eax
#else
        movl 4(%esp), %eax
probeInstruction:
        movl (%eax), %eax
#endif
        xorl %eax, %eax
        ret
probeFixup:
        movl $1, %eax
        ret

        .section .rodata
        .balign 8
        .globl vectorStubs
        .macro entry number
        WORD stub_\number
        .endm
vectorStubs:
        .set i, 0
        .rept 256
        entry %i
        .set i, i + 1
        .endr
        .section .note.GNU-stack, "", @progbits
