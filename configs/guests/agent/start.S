// Where the kernel enters the agent, its system calls, and new threads of control on stacks of their own.
    .section .note.GNU-stack, "", @progbits
    .text
    .globl _start, system_call, spawn
#ifdef LONG
_start:
    xorl %ebp, %ebp
    movl (%rsp), %edi
    andq $-16, %rsp
    call agent
    ud2

// long system_call(long number, long a, long b, long c, long d, long e, long f)
system_call:
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq %rcx, %rdx
    movq %r8, %r10
    movq %r9, %r8
    movq 8(%rsp), %r9
    syscall
    ret

// long spawn(long flags, void *stack, void (*begin)(long), long argument): of the new one never returns
spawn:
    pushq %rbx
    pushq %rbp
    movq %rdx, %rbx
    movq %rcx, %rbp
    movl $56, %eax
    xorl %edx, %edx
    xorl %r10d, %r10d
    xorl %r8d, %r8d
    syscall
    testq %rax, %rax
    jz 1f
    popq %rbp
    popq %rbx
    ret
1:  movq %rbp, %rdi
    xorl %ebp, %ebp
    call *%rbx
    ud2
#else
_start:
    xorl %ebp, %ebp
    movl (%esp), %eax
    andl $-16, %esp
    subl $12, %esp
    pushl %eax
    call agent
    ud2

system_call:
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    movl 20(%esp), %eax
    movl 24(%esp), %ebx
    movl 28(%esp), %ecx
    movl 32(%esp), %edx
    movl 36(%esp), %esi
    movl 40(%esp), %edi
    movl 44(%esp), %ebp
    int $0x80
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    ret

spawn:
    pushl %ebx
    pushl %esi
    pushl %edi
    pushl %ebp
    movl 20(%esp), %ebx
    movl 24(%esp), %ecx
    movl 28(%esp), %ebp
    // The kernel keeps ESI and EDI for the new one too; the argument goes by way of its stack.
    movl 32(%esp), %eax
    subl $16, %ecx
    movl %eax, (%ecx)
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    movl $120, %eax
    int $0x80
    testl %eax, %eax
    jz 1f
    popl %ebp
    popl %edi
    popl %esi
    popl %ebx
    ret
1:  movl %ebp, %eax
    xorl %ebp, %ebp
    call *%eax
    ud2
#endif
