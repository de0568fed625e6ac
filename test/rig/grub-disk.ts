// A disk image that Debian's GRUB boots from: its boot sector, its core image behind it, and without a file system what it is to read, by numbers of sectors.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SECTOR = 512;
const DISK_BYTES = 4 << 20;
const TEXT = 2000;
const MENU = 2001;
const NEXT = 2010;
const MODULES = ['biosdisk', 'boot', 'cat', 'chain', 'configfile', 'echo', 'linux16', 'normal', 'test'];

/** `grub`: where its packages are unpacked. The menu has one entry, which is booted at once: it does `command`, in which FILE means `file`, which is on the disk. */
export const grubDisk = (grub: string, folder: string, command: string, file: Uint8Array): Buffer => {
  const images = join(grub, 'usr/lib/grub/i386-pc');
  const [config, core] = [join(folder, 'grub.cfg'), join(folder, 'core.img')];
  writeFileSync(config, [`echo "GRUB $grub_platform on $grub_cpu"`, `cat (hd0)${TEXT}+1`, `configfile (hd0)${MENU}+1`, ''].join('\n'));
  const where = ['-d', images, '-p', '(hd0)/', '-c', config, '-o', core];
  execFileSync(join(grub, 'usr/bin/grub-mkimage'), ['-O', 'i386-pc', ...where, ...MODULES], { stdio: 'pipe' });
  const disk = Buffer.alloc(DISK_BYTES);
  const put = (sector: number, bytes: Uint8Array, end = disk.length): void => {
    if (sector * SECTOR + bytes.length > end) throw new Error(`${bytes.length} bytes do not fit from sector ${sector} on`);
    disk.set(bytes, sector * SECTOR);
  };
  // A file without a file system is whole sectors: blank lines follow its text.
  const text = (sector: number, lines: string): void => put(sector, Buffer.from(lines.padEnd(SECTOR, '\n')), (sector + 1) * SECTOR);
  put(0, readFileSync(join(images, 'boot.img')));
  put(1, readFileSync(core), TEXT * SECTOR);
  text(TEXT, 'the text of sector 2000');
  const there = `(hd0)${NEXT}+${Math.ceil(file.length / SECTOR)}`;
  text(MENU, `set timeout=0\nmenuentry "What is on the disk" {\n  ${command.replace('FILE', there)}\n}\n`);
  put(NEXT, file);
  return disk;
};

/** A boot sector that says so by INT 10h, and halts. */
export const sayingSector = (text: string): Uint8Array => {
  const sector = Buffer.alloc(SECTOR);
  // xor ax, ax; mov ds, ax; sti; mov si, 7C19h; next: lodsb; test al, al; jz end; mov ah, 0Eh; mov bx, 7; int 10h; jmp next; end: hlt; jmp end
  // Interrupts are on because SeaBIOS keeps characters for its serial console until its timer's next one.
  sector.write('31c08ed8fbbe197cac84c07409b40ebb0700cd10ebf2f4ebfd', 'hex');
  sector.write(`${text}\0`, 0x19);
  sector.writeUInt16LE(0xaa55, SECTOR - 2);
  return sector;
};
