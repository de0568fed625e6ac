// The switch page by itself (hypervisor/world): real x86 code that takes an LP from long to legacy super-mode and back.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import { editHostTable, hostTableEntry } from '../../daemon/hypervisor/world/host-tables.js';
import { LISTING, SWITCH_CODE } from '../../daemon/hypervisor/world/switch-page.js';
import { Cr0, Efer } from '../../shared/abi/registers.js';
import { HostMap } from '../../shared/layout/host-memory.js';
import { SuperMode } from '../../shared/layout/machine.js';
import { Slot, type VpBlock } from '../../shared/layout/vp.js';
import { worldRig } from '../rig/world-rig.js';

const REGISTERS = ['star', 'lstar', 'cstar', 'sfmask', 'kernelGsBase', 'sysenterCs', 'sysenterEsp', 'sysenterEip', 'cr3', 'cr2'] as const;
const NARROW = ['cr0', 'cr4', 'efer', 'csSelector', 'ssSelector', 'trSelector', 'trAccess', 'gdtrLimit', 'idtrLimit', 'cpl'] as const;
const SLOTS = [...Array(16).keys(), Slot.FLAG_RESULT, Slot.FLAG_AUX, Slot.FLAG_SYSTEM, Slot.FS_BASE, Slot.GS_BASE];

/** All that a 64-bit hypervisor has in the LP. */
const stateOf = (vp: VpBlock): unknown => [
  SLOTS.map((slot) => vp.views.u64[(vp.base >>> 3) + slot]),
  REGISTERS.map((name) => vp[name]),
  NARROW.map((name) => vp[name]),
  [vp.gdtrBase, vp.idtrBase, vp.trBase],
  [...vp.views.u64.subarray(vp.dr >>> 3, (vp.dr >>> 3) + 8)],
];

test('the listing says what its bytes are, and where', (t) => {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  let at: number = HostMap.SWITCH_PAGE;
  for (const line of LISTING.trimEnd().split('\n')) {
    const row = /^([0-9a-f]{4}) (64|32) ([0-9a-f]+) +(.+)$/.exec(line);
    if (row === null) continue;
    t.is(Number.parseInt(row[1], 16), at, line);
    const decoder = new Decoder(Number(row[2]), Buffer.from(row[3], 'hex'), DecoderOptions.None);
    decoder.ip = BigInt(at);
    const instruction = decoder.decode();
    t.is(formatter.format(instruction).replace(/0x0+(?=[0-9A-F]{4}$)/, '0x'), row[4].replace(/0x0+(?=[0-9A-F]{4}$)/, '0x'), line);
    t.is(instruction.length * 2, row[3].length, line);
    at += instruction.length;
  }
  t.is(at - HostMap.SWITCH_PAGE, SWITCH_CODE.length);
  t.true(readFileSync('daemon/ARCHITECTURE.md', 'utf8').includes(`\`\`\`\n${LISTING}\`\`\`\n`), 'ARCHITECTURE.md has it');
});

for (const tiers of ['cold', 'hot', 'both'] as const) {
  test(`a round trip keeps all 64-bit state, whatever the guest leaves behind (${tiers})`, (t) => {
    const { world, guest, block } = worldRig(tiers);
    const { vp } = world.host;
    const { u64 } = vp.views;
    guest.views.u64.fill(0xdead_beef_dead_beefn);
    for (const armed of [0n, 1n])
      for (let round = 1n; round < 3n; round++) {
        const canonical = (n: bigint): bigint => 0xffff_8000_0000_0000n | (n * 0x1234_5678_9abn);
        for (let register = 0; register < 16; register++)
          if (register !== Slot.RSP) u64[(vp.base >>> 3) + register] = canonical(BigInt(register) + round);
        u64[(vp.base >>> 3) + Slot.FS_BASE] = canonical(17n * round);
        u64[(vp.base >>> 3) + Slot.GS_BASE] = canonical(18n * round);
        for (const [i, name] of REGISTERS.entries()) if (name !== 'cr3') vp[name] = canonical(BigInt(i + 19) + round);
        for (let dr = 0; dr < 4; dr++) u64[(vp.dr >>> 3) + dr] = canonical(BigInt(dr + 40) * round);
        u64[(vp.dr >>> 3) + 6] = 0xffff_0ff1n;
        // A watch of a linear address that nothing here touches.
        u64[(vp.dr >>> 3) + 7] = 0x400n | (armed << 1n) | (armed << 16n);
        vp.efer |= Efer.SCE;
        const before = stateOf(vp);
        world.toLegacy();
        t.deepEqual([world.isLegacy, block.superMode, vp.efer & (Efer.LME | Efer.LMA)], [true, SuperMode.LEGACY, 0]);
        t.is((vp.cr0 & (Cr0.PG | Cr0.PE)) >>> 0, (Cr0.PG | Cr0.PE) >>> 0);
        world.toLong(guest);
        t.deepEqual([world.isLegacy, block.superMode], [false, SuperMode.LONG]);
        const after = stateOf(vp);
        if (armed === 0n) {
          // Addresses of breakpoints that are not enabled are nobody's: the guest's stay.
          (before as bigint[][])[4].fill(0n, 0, 7);
          (after as bigint[][])[4].fill(0n, 0, 7);
        }
        t.deepEqual(after, before);
      }
    t.is(block.superModeSwitches, 4);
  });

  test(`the far side has its own tables, and its interrupts reach the 64-bit side (${tiers})`, (t) => {
    const { world, apic, handled, own, guest } = worldRig(tiers);
    const { vp } = world.host;
    world.toLegacy();
    t.not(vp.gdtrBase, BigInt(HostMap.LP));
    t.is(vp.idtrBase, BigInt(HostMap.FAR_IDT));
    t.not(vp.trBase, BigInt(HostMap.LP + own.tss - own.base));
    apic.send(0, 0x41);
    apic.send(0, 0x35);
    world.toLong(guest);
    t.is(handled[0], 0x41);
    while (handled.length < 2 && handled.length > 0) {
      world.toLegacy();
      world.toLong(guest);
    }
    t.deepEqual(handled, [0x41, 0x35]);
    const { u32 } = own.views;
    t.is(u32[(own.counts >>> 2) + 0x41], 1);
    t.is(u32[(own.counts >>> 2) + 0x35], 1);
  });

  test(`the page must be mapped to itself in both tables at each switch (${tiers})`, (t) => {
    const { world, views, trip } = worldRig(tiers);
    trip();
    const entry = hostTableEntry(views, 0, HostMap.SWITCH_PAGE);
    editHostTable(views, 0, HostMap.SWITCH_PAGE, entry + 0x1000n);
    t.throws(trip, { message: /mapped to itself/ });
    editHostTable(views, 0, HostMap.SWITCH_PAGE, entry);
    t.notThrows(trip);
    t.false(world.isLegacy);
  });
}

test('what a round trip costs follows from the table of costs', (t) => {
  const free = worldRig('both');
  t.is(free.trip(), 0);
  const { trip } = worldRig('both', { switchInstruction: 1, modeWrite: 100 });
  const cycles = trip();
  t.is(cycles, trip());
  // CR0 twice, CR3 and EFER once, on each way; 128 to 160 instructions.
  t.true(cycles > 890 && cycles < 930, String(cycles));
});
