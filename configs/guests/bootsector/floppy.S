# The boot sector of a floppy that asks the BIOS for what is done with floppies, and tells on the screen by INT 10h what it got: real mode, at 7C00h, DL = the drive.
# Its sectors hold text that it shows. Lines end in "ok" or "BAD".
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
    movb %dl, drive
    movw $hello, %si
    call print

    # INT 13h, 08h: how many sectors a track has.
    movb $0x08, %ah
    int $0x13
    pushw %ds
    popw %es
    andb $0x3f, %cl
    movb %cl, track
    movw $parameters, %si
    call verdict

    # 02h: the second sector, and the last one of the first track.
    movw $0x0201, %ax
    movw $0x0002, %cx
    call disk
    movw $read, %si
    call verdict
    movw $0x8000, %si
    call print
    movw $0x0201, %ax
    xorb %ch, %ch
    movb track, %cl
    call disk
    movw $last, %si
    call verdict
    movw $0x8000, %si
    call print

    # 02h: four sectors, of which the track has two; the fourth is the second one of the other head.
    movw $0x0204, %ax
    xorb %ch, %ch
    movb track, %cl
    decw %cx
    call disk
    movw $both, %si
    call verdict
    movw $0x8600, %si
    call print

    # 03h: what is written to the last sector of all comes back; 04h finds it.
    movw $0x0301, %ax
    call at_end
    jc 1f
    movw $0x8000, %di
    movw $256, %cx
    xorw %ax, %ax
    rep stosw
    movw $0x0201, %ax
    call at_end
    jc 1f
    cmpw $0x6573, 0x8000        # "se"
    stc
    jne 1f
    movw $0x0401, %ax
    call at_end
1:  movw $written, %si
    call verdict

    # 02h of a cylinder that no floppy has, and 05h, are refused.
    movw $0x0201, %ax
    movw $0x5001, %cx
    call disk
    cmc
    jc 2f
    movw $0x0501, %ax
    movw $0x0001, %cx
    call disk
    cmc
2:  movw $refused, %si
    call verdict

    # 00h, and after it 02h goes on as before.
    xorb %ah, %ah
    movb drive, %dl
    int $0x13
    jc 3f
    movw $0x0201, %ax
    movw $0x0002, %cx
    call disk
3:  movw $reset, %si
    call verdict
4:  hlt
    jmp 4b

at_end:                         # AX of INT 13h at cylinder 79, head 1, last sector
    movb $79, %ch
    movb track, %cl
    movb $1, %dh
    jmp 5f
disk:                           # at head 0
    xorb %dh, %dh
5:  movb drive, %dl
    movw $0x8000, %bx
    int $0x13
    ret

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
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    jmp print
6:  ret

hello:      .asciz "floppy\r\n"
parameters: .asciz "08h "
read:       .asciz "02h "
last:       .asciz "last sector "
both:       .asciz "both heads "
written:    .asciz "03h 04h "
refused:    .asciz "refused "
reset:      .asciz "00h "
ok:         .asciz "ok\r\n"
bad:        .asciz "BAD\r\n"
drive:      .byte 0
track:      .byte 0
    .org 510
    .word 0xaa55
