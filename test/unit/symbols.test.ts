// Guest symbols from ELF files of both classes and from System.map text; from anything else none, and no error.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readSymbols } from '../../daemon/boot/symbols.js';
import { packageRoot } from '../../daemon/root/package-root.js';

const IMAGE = readFileSync(join(packageRoot(), 'configs/guests/bench/guest32.elf'));

test('functions of an ELF image are found by name and by address', (t) => {
  const symbols = readSymbols(IMAGE);
  const at = symbols.addressOf('run_crc')!;
  t.true(at > 0x10_0000);
  t.deepEqual(symbols.find(at), { name: 'run_crc', offset: 0 });
  t.deepEqual(symbols.find(at + 5), { name: 'run_crc', offset: 5 });
  t.is(symbols.addressOf('command'), undefined, 'data is no code');
  t.is(symbols.find(0), undefined);
});

test('an ELF64 file is read as well', (t) => {
  const symbols = readSymbols(readFileSync(process.execPath).subarray(0, 64));
  t.is(symbols.count, 0, 'cut off: no names');
  const elf = new DataView(new ArrayBuffer(0x200));
  const bytes = new Uint8Array(elf.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  elf.setBigUint64(40, 0x40n, true);
  elf.setUint16(58, 64, true);
  elf.setUint16(60, 2, true);
  // Section 0: the symbols; section 1: their names.
  elf.setUint32(0x44, 2, true);
  elf.setBigUint64(0x40 + 24, 0x100n, true);
  elf.setBigUint64(0x40 + 32, 48n, true);
  elf.setUint32(0x40 + 40, 1, true);
  elf.setBigUint64(0x80 + 24, 0x180n, true);
  bytes.set(new TextEncoder().encode('\0start\0'), 0x180);
  elf.setUint32(0x118, 1, true);
  elf.setUint8(0x11c, 0x12);
  elf.setUint16(0x11e, 1, true);
  elf.setBigUint64(0x120, 0xffff_ffff_8100_0000n, true);
  elf.setBigUint64(0x128, 16n, true);
  const small = readSymbols(bytes);
  t.is(small.addressOf('start'), -0x7f00_0000);
  t.deepEqual(small.find(-0x7f00_0000 + 15), { name: 'start', offset: 15 });
  t.is(small.find(-0x7f00_0000 + 16), undefined, 'beyond its size');
});

test('System.map: code symbols only, high addresses as the processor has them', (t) => {
  const text = 'ffffffff81000000 T _text\nffffffff81000100 t local\nffffffff82000000 D data\nnonsense\n';
  const symbols = readSymbols(new TextEncoder().encode(text));
  t.is(symbols.count, 2);
  t.deepEqual(symbols.find(Number(BigInt.asIntN(64, 0xffff_ffff_8100_0180n))), { name: 'local', offset: 0x80 });
});

test('whatever is done to an image, reading its symbols does not throw', (t) => {
  for (let at = 0; at < IMAGE.length; at += 7) {
    const broken = Uint8Array.from(at % 2 ? IMAGE : IMAGE.subarray(0, at + 4));
    broken[32 + (at % 20)] ^= 0x81;
    broken[Math.min(broken.length - 1, at)] ^= 0xff;
    t.notThrows(() => readSymbols(broken).find(at));
  }
});
