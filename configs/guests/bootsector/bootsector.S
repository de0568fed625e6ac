# A boot sector that asks the BIOS for what boot sectors ask, and tells on the screen by INT 10h what it got: real mode, at 7C00h, DL = the disk.
# Sectors 2 and 3 of its disk hold text that it shows: read by cylinder, head and sector, and by LBA packet. Lines end in "ok" or "BAD".
    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    sti
    cld
    movb %dl, disk
    movw $hello, %si
    call print

    # INT 13h, 02h: sector 2 of the first track.
    movw $0x0201, %ax
    movw $0x0002, %cx
    xorb %dh, %dh
    movb disk, %dl
    movw $0x8000, %bx
    int $0x13
    movw $chs, %si
    call verdict
    movw $0x8000, %si
    call print

    # INT 13h, 42h: LBA 2.
    movw $0x55aa, %bx
    movb $0x42, %ah
    movw $packet, %si
    movb disk, %dl
    int $0x13
    movw $lba, %si
    call verdict
    movw $0x8200, %si
    call print

    # INT 13h, 43h and 42h: what is written to LBA 3 comes back.
    movb $0x43, %ah
    xorb %al, %al
    movb $3, packet + 8
    movw $packet, %si
    movb disk, %dl
    int $0x13
    jc 1f
    movw $0x8400, packet + 4
    movb $0x42, %ah
    movw $packet, %si
    movb disk, %dl
    int $0x13
    jc 1f
    movw $0x8200, %si
    movw $0x8400, %di
    movw $256, %cx
    repe cmpsw
    stc
    jne 1f
    clc
1:  movw $written, %si
    call verdict

    # INT 15h, E820h: the first entry is RAM from 0; 88h: some extended memory.
    xorl %ebx, %ebx
    movl $0x534d4150, %edx
    movl $24, %ecx
    movl $0xe820, %eax
    movw $0x8600, %di
    int $0x15
    jc 2f
    cmpl $0x534d4150, %eax
    stc
    jne 2f
    cmpl $1, 0x8610
    stc
    jne 2f
    clc
2:  movw $e820, %si
    call verdict
    movb $0x88, %ah
    int $0x15
    jc 3f
    cmpw $1024, %ax             # carry: below
3:  movw $extended, %si
    call verdict

    # INT 1Ah, 00h: ticks go on, by IRQ 0 and INT 08h.
    xorb %ah, %ah
    int $0x1a
    movw %dx, %bp
4:  hlt
    xorb %ah, %ah
    int $0x1a
    cmpw %bp, %dx
    je 4b
    clc
    movw $ticks, %si
    call verdict

    # INT 16h: the key that somebody types.
    movw $typed, %si
    call print
    xorb %ah, %ah
    int $0x16
    call put
    movw $end, %si
    call print
5:  hlt
    jmp 5b

verdict:                        # carry: bad
    pushf
    call print
    movw $ok, %si
    popf
    jnc print
    movw $bad, %si
print:
    lodsb
    testb %al, %al
    jz 6f
    call put
    jmp print
6:  ret
put:
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    ret

hello:    .asciz "boot sector\r\n"
chs:      .asciz "int 13h 02h "
lba:      .asciz "int 13h 42h "
written:  .asciz "int 13h 43h "
e820:     .asciz "int 15h e820h "
extended: .asciz "int 15h 88h "
ticks:    .asciz "int 1ah "
typed:    .asciz "int 16h "
end:      .asciz "\r\ndone\r\n"
ok:       .asciz "ok\r\n"
bad:      .asciz "BAD\r\n"
packet:   .byte 16, 0
          .word 1, 0x8200, 0
          .quad 2
disk:     .byte 0
    .org 510
    .word 0xaa55
