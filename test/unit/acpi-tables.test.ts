import test from 'ava';
import { parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { PCI_DEVICES, pciIrqOf } from '../../shared/layout/pci.js';
import { multibootElf } from '../rig/boot-images.js';
import { type Built, build, specOf } from '../rig/boot-partition.js';

const MIB = 1 << 20;
const image = multibootElf([{ address: 0x1_0000, data: Uint8Array.of(0xf4) }]);

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
const signature = (built: Built, at: number, size = 4): string => String.fromCharCode(...built.bytes(at, size));
const table = (built: Built, at: number): Uint8Array => built.bytes(at, built.ram.getUint32(at + 4, true));

/** Finds a structure as an operating system does: paragraph by paragraph, by signature and checksum. */
const scan = (built: Built, from: number, to: number, name: string, size: number): number => {
  for (let at = from; at < to; at += 16) if (signature(built, at, name.length) === name && sum(built.bytes(at, size)) === 0) return at;
  return -1;
};

const tablesOf = (built: Built): Map<string, number> => {
  const rsdp = scan(built, 0xe_0000, MIB, 'RSD PTR ', 20);
  const xsdt = Number(built.ram.getBigUint64(rsdp + 24, true));
  const found = new Map([
    ['XSDT', xsdt],
    ['RSDP', rsdp],
    ['RSDT', built.ram.getUint32(rsdp + 16, true)],
  ]);
  for (let at = xsdt + 36; at < xsdt + built.ram.getUint32(xsdt + 4, true); at += 8) {
    const address = Number(built.ram.getBigUint64(at, true));
    found.set(signature(built, address), address);
  }
  found.set('DSDT', built.ram.getUint32((found.get('FACP') ?? 0) + 40, true));
  return found;
};

for (const [ramSize, vpCount] of [
  [16 * MIB, 3],
  [MIB, 64],
  [256 * MIB, 1],
] as const) {
  test(`with ${ramSize / MIB} MiB and ${vpCount} VPs every table sums to 0 and lies in memory the guest must keep`, (t) => {
    const built = build(specOf(image, { ramSize, vpCount }));
    const tables = tablesOf(built);
    const rsdp = tables.get('RSDP') ?? -1;
    t.is(sum(built.bytes(rsdp, 36)), 0);
    const start = ramSize < 2 * MIB ? 0xe_0000 : ramSize - 0x1_0000;
    for (const name of ['XSDT', 'RSDT', 'FACP', 'APIC', 'DSDT']) {
      const at = tables.get(name) ?? -1;
      t.is(signature(built, at), name);
      t.is(sum(table(built, at)), 0, name);
      t.true(at >= start && at + built.ram.getUint32(at + 4, true) <= start + 0x1_0000);
    }
    const rsdt = tables.get('RSDT') ?? -1;
    t.deepEqual([built.ram.getUint32(rsdt + 36, true), built.ram.getUint32(rsdt + 40, true)], [tables.get('FACP'), tables.get('APIC')]);
    const fadt = tables.get('FACP') ?? -1;
    const facs = built.ram.getUint32(fadt + 36, true);
    t.is(signature(built, facs), 'FACS');
    t.is(facs % 64, 0);
    t.is(Number(built.ram.getBigUint64(fadt + 140, true)), tables.get('DSDT') ?? -1);
    t.deepEqual(
      [built.ram.getUint32(fadt + 56, true), built.ram.getUint32(fadt + 64, true), built.ram.getUint32(fadt + 76, true)],
      [0x600, 0x604, 0x608],
    );
    t.deepEqual(
      [built.ram.getUint16(fadt + 46, true), Number(built.ram.getBigUint64(fadt + 120, true)), built.ram.getUint8(fadt + 128)],
      [9, 0xcf9, 6],
    );

    const mp = scan(built, 0xf_0000, MIB, '_MP_', 16);
    const configuration = built.ram.getUint32(mp + 4, true);
    t.is(signature(built, configuration), 'PCMP');
    t.is(sum(built.bytes(configuration, built.ram.getUint16(configuration + 4, true))), 0);
  });
}

test('the MADT lists each VP, the I/O APIC, the timer at pin 2, the level SCI and the NMI', (t) => {
  const built = build(specOf(image, { vpCount: 3 }));
  const madt = table(built, tablesOf(built).get('APIC') ?? -1);
  const entries: number[][] = [];
  for (let at = 44; at < madt.length; at += madt[at + 1]) entries.push([...madt.subarray(at, at + madt[at + 1])]);
  t.deepEqual(entries, [
    [0, 8, 0, 0, 1, 0, 0, 0],
    [0, 8, 1, 1, 1, 0, 0, 0],
    [0, 8, 2, 2, 1, 0, 0, 0],
    [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
    [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
    [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
    [4, 6, 0xff, 0, 0, 1],
  ]);
});

test('the MP table has as many entries as it says, and wires ISA interrupts as the MADT does', (t) => {
  const built = build(specOf(image, { vpCount: 5 }));
  const at = built.ram.getUint32(scan(built, 0xf_0000, MIB, '_MP_', 16) + 4, true);
  const size = built.ram.getUint16(at + 4, true);
  const byType = [0, 0, 0, 0, 0];
  const pins = new Map<number, number>();
  let next = at + 44;
  for (let entry = 0; entry < built.ram.getUint16(at + 34, true); entry++) {
    const type = built.ram.getUint8(next);
    byType[type]++;
    if (type === 3) pins.set(built.ram.getUint8(next + 5), built.ram.getUint8(next + 7));
    next += type === 0 ? 20 : 8;
  }
  t.is(next, at + size);
  t.deepEqual(byType, [5, 1, 1, 15, 2]);
  t.is(pins.get(0), 2);
  t.is(pins.get(9), 9);
  t.false(pins.has(2));
});

/** A reader of the AML that the DSDT uses: returns [path, value] pairs, and fails on any byte that it does not expect. */
const readAml = (aml: Uint8Array): [string, unknown][] => {
  const found: [string, unknown][] = [];
  let at = 0;
  const fail = (what: string): never => {
    throw new Error(`AML at ${at}: ${what}`);
  };
  const packageEnd = (): number => {
    const lead = aml[at];
    const more = lead >> 6;
    let length = more === 0 ? lead & 0x3f : lead & 0xf;
    for (let byte = 0; byte < more; byte++) length |= aml[at + 1 + byte] << (4 + 8 * byte);
    const end = at + length;
    at += 1 + more;
    if (end > aml.length) fail('package beyond the table');
    return end;
  };
  const segment = (): string => {
    let prefix = '';
    if (aml[at] === 0x5c) {
      prefix = '\\';
      at++;
    }
    const name = String.fromCharCode(...aml.subarray(at, at + 4));
    if (!/^[A-Z_][A-Z0-9_]{3}$/.test(name)) fail(`name ${name}`);
    at += 4;
    return prefix + name;
  };
  const little = (bytes: number): number => {
    let value = 0;
    for (let byte = 0; byte < bytes; byte++) value += aml[at++] * 2 ** (8 * byte);
    return value;
  };
  const value = (): unknown => {
    const opcode = aml[at++];
    if (opcode <= 1) return opcode;
    if (opcode === 0x0a) return little(1);
    if (opcode === 0x0b) return little(2);
    if (opcode === 0x0c) return little(4);
    if (opcode === 0x0d) {
      const end = aml.indexOf(0, at);
      const string = String.fromCharCode(...aml.subarray(at, end));
      at = end + 1;
      return string;
    }
    if (opcode !== 0x11 && opcode !== 0x12) return fail(`data opcode ${opcode}`);
    const end = packageEnd();
    if (opcode === 0x11) {
      const size = value() as number;
      const bytes = [...aml.subarray(at, end)];
      if (bytes.length !== size) fail('buffer size');
      at = end;
      return bytes;
    }
    const elements = Array.from({ length: aml[at++] }, value);
    if (at !== end) fail('package length');
    return elements;
  };
  const terms = (end: number, path: string): void => {
    while (at < end) {
      const opcode = aml[at++];
      if (opcode === 0x08) {
        const name = segment();
        found.push([path + name, value()]);
      } else if (opcode === 0x10 || (opcode === 0x5b && aml[at++] === 0x82)) {
        const inner = packageEnd();
        const name = segment();
        terms(inner, `${path}${name}.`);
      } else fail(`opcode ${opcode}`);
    }
    if (at !== end) fail('terms beyond their package');
  };
  terms(aml.length, '');
  return found;
};

test('the DSDT is well-formed AML: soft-off, a processor device for each MADT entry, COM1', (t) => {
  for (const vpCount of [1, 2, 64]) {
    const built = build(specOf(image, { vpCount }));
    const names = new Map(readAml(table(built, tablesOf(built).get('DSDT') ?? -1).subarray(36)));
    t.deepEqual(names.get('\\_S5_'), [5, 5, 0, 0]);
    for (let vp = 0; vp < vpCount; vp++) {
      const path = `\\_SB_.C${vp.toString(16).toUpperCase().padStart(3, '0')}`;
      t.is(names.get(`${path}._HID`), 'ACPI0007');
      t.is(names.get(`${path}._UID`), vp);
    }
    t.is([...names.keys()].filter((path) => /\.C[0-9A-F]{3}\._UID$/.test(path)).length, vpCount);
    // PNP0501, compressed: 'P' << 10 | 'N' << 5 | 'P', big-endian.
    t.is(names.get('\\_SB_.COM1._HID'), 0x0105_d041);
    t.deepEqual(names.get('\\_SB_.COM1._CRS'), [0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0]);
  }
});

/** Address space descriptors of a resource template: [type, first, last]. */
const ranges = (template: readonly number[]): [number, number, number][] => {
  const found: [number, number, number][] = [];
  const little = (at: number, bytes: number): number => {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += template[at + i] * 2 ** (8 * i);
    return value;
  };
  for (let at = 0; template[at] !== 0x79; ) {
    if (template[at] < 0x80) {
      at += 1 + (template[at] & 7);
      continue;
    }
    const width = template[at] === 0x88 ? 2 : 4;
    const fields = [0, 1, 2, 3, 4].map((field) => little(at + 6 + field * width, width));
    if (fields[4] !== fields[2] - fields[1] + 1 || fields[0] !== 0 || fields[3] !== 0) throw new Error(`descriptor at ${at}`);
    found.push([template[at + 3], fields[1], fields[2]]);
    at += 3 + little(at + 1, 2);
  }
  return found;
};

test('the DSDT has a PCI host bridge: one bus, all ports but its own, memory between RAM and the I/O APIC, a route for each device', (t) => {
  const built = build(specOf(image));
  const names = new Map(readAml(table(built, tablesOf(built).get('DSDT') ?? -1).subarray(36)));
  // PNP0A03, compressed.
  t.is(names.get('\\_SB_.PCI0._HID'), 0x030a_d041);
  t.deepEqual(ranges(names.get('\\_SB_.PCI0._CRS') as number[]), [
    [2, 0, 0],
    [1, 0, 0xcf7],
    [1, 0xd00, 0xffff],
    [0, 0xe000_0000, 0xfebf_ffff],
  ]);
  const routes = names.get('\\_SB_.PCI0._PRT') as number[][];
  t.is(routes.length, PCI_DEVICES - 1);
  for (const [index, route] of routes.entries()) t.deepEqual(route, [(index + 1) * 0x1_0000 + 0xffff, 0, 0, pciIrqOf(index + 1)]);
});

test('the BIOS data area tells COM1, 639 KiB and an 80-column screen', (t) => {
  const { ram } = build(specOf(image));
  t.deepEqual(
    [ram.getUint16(0x400, true), ram.getUint16(0x413, true), ram.getUint16(0x44a, true), ram.getUint16(0x40e, true)],
    [0x3f8, 639, 80, 0x9fc0],
  );
  // Any interrupt vector leads to an IRET.
  t.is(ram.getUint8(ram.getUint16(0x22, true) * 16 + ram.getUint16(0x20, true)), 0xcf);
});

test('a partition that can be sent messages has a VMBus in its DSDT, others have none', (t) => {
  for (const [features, there] of [
    ['linux', true],
    ['linux,-synic', false],
    ['linux,-post-messages', false],
    ['off', false],
  ] as const) {
    const built = build(specOf(image, { hyperv: parseHyperv(features) }));
    const dsdt = table(built, tablesOf(built).get('DSDT') ?? -1);
    t.is(Buffer.from(dsdt).includes(Buffer.from('VMBus\0')), there, features);
  }
});

test('with two nodes the SRAT says where each VP and each half of RAM is; with one there is none', (t) => {
  t.false(tablesOf(build(specOf(image, { vpCount: 3 }))).has('SRAT'));
  const ramSize = 16 * MIB + 0x1_0000;
  const built = build(specOf(image, { ramSize, vpCount: 3, nodeCount: 2, vpNodes: [0, 1, 1] }));
  const srat = table(built, tablesOf(built).get('SRAT') ?? -1);
  t.is(sum(srat), 0);
  const data = new DataView(srat.buffer, srat.byteOffset);
  t.is(data.getUint32(36, true), 1);
  const [processors, memory] = [48, 48 + 3 * 16];
  for (const [vp, node] of [0, 1, 1].entries())
    t.deepEqual([...srat.subarray(processors + vp * 16, processors + vp * 16 + 8)], [0, 16, node, vp, 1, 0, 0, 0]);
  const half = ramSize / 2;
  for (const [node, from] of [0, half].entries()) {
    const at = memory + node * 40;
    t.deepEqual([srat[at], srat[at + 1], data.getUint32(at + 2, true), data.getUint32(at + 28, true)], [1, 40, node, 1]);
    t.deepEqual([data.getBigUint64(at + 8, true), data.getBigUint64(at + 16, true)], [BigInt(from), BigInt(half)]);
  }
  t.is(srat.length, memory + 2 * 40);
});
