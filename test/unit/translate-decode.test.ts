// Where blocks end, and what becomes of bytes that are no instruction.
import test from 'ava';
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import { isStackAccess } from '../../daemon/translate/decode/stack-access.js';
import { dumpMicroOps } from '../../daemon/translate/dump.js';
import { BLOCK_INSTRUCTIONS_MAX } from '../../daemon/translate/micro-op.js';
import { translateBlock } from '../../daemon/translate/translate-block.js';
import { FLAT32, hex, LONG, microOps, REAL, RIP, translateBytes } from './translate-support.js';

const repeat = (bytes: string, times: number): Uint8Array => hex(`${bytes} `.repeat(times));

test('a block ends at control flow', (t) => {
  for (const end of ['c3', 'eb 05', '75 05', 'e8 00 00 00 00', 'ff e0', 'f4', '0f 05', 'cc', 'cd 80', 'e2 fe', '0f 22 d8', '0f 30', 'fb']) {
    const builder = new BlockBuilder();
    const block = translateBytes(builder, hex(`90 ${end} 90 90`), LONG);
    t.deepEqual(block, { bytes: 1 + hex(end).length, instructions: 2, crossesPage: false, complete: true }, end);
  }
});

test('a block has at most so many instructions and then goes on by a jump', (t) => {
  const builder = new BlockBuilder();
  const block = translateBytes(builder, repeat('90', 200), LONG);
  t.is(block.instructions, BLOCK_INSTRUCTIONS_MAX);
  t.deepEqual(dumpMicroOps(builder), [`jump 0x${(RIP + BLOCK_INSTRUCTIONS_MAX).toString(16)}`]);
});

test('a block stops before it could overflow the micro-op limit', (t) => {
  const builder = new BlockBuilder();
  // rcl qword [rax], cl
  const block = translateBytes(builder, repeat('48 d3 10', 48), LONG);
  t.true(block.instructions < 48);
  t.true(builder.count <= 400);
});

test('bytes beyond the first window are found', (t) => {
  const builder = new BlockBuilder();
  // 48 x mov rax, imm64 = 480 bytes
  const block = translateBytes(builder, repeat('48 b8 01 02 03 04 05 06 07 08', 60), LONG);
  t.deepEqual(block, { bytes: 480, instructions: 48, crossesPage: false, complete: false });
});

test('a block stops before an instruction that crosses the page', (t) => {
  const builder = new BlockBuilder();
  let asked = false;
  const following = (): Uint8Array => {
    asked = true;
    return new Uint8Array(14);
  };
  const block = translateBlock(builder, { bytes: hex('90 90 b8 01 02'), following }, LONG, RIP);
  t.deepEqual(block, { bytes: 2, instructions: 2, crossesPage: false, complete: false });
  t.false(asked);
});

test('a first instruction that crosses the page is a block of its own', (t) => {
  const builder = new BlockBuilder();
  const block = translateBytes(builder, hex('b8 01 02'), LONG, hex('03 04 90 90'));
  t.deepEqual(block, { bytes: 5, instructions: 1, crossesPage: true, complete: false });
  t.deepEqual(dumpMicroOps(builder), ['movi rax, 0x4030201', 'jump 0x1005']);
});

test('what fetching the next page throws comes out, and the builder is usable afterwards', (t) => {
  const builder = new BlockBuilder();
  const fault = new Error('page fault');
  const following = (): Uint8Array => {
    throw fault;
  };
  t.throws(() => translateBlock(builder, { bytes: hex('b8'), following }, LONG, RIP), { is: fault });
  t.is(translateBytes(builder, hex('c3'), LONG).bytes, 1);
});

test('bad encodings raise #UD and are not counted, missing ones are', (t) => {
  const bad = microOps('06 90 90', LONG);
  t.is(bad[0], 'movi arg0, 0');
  t.regex(bad[1], /^sys UD/);
  t.is(microOps('0f 0b', LONG)[0], 'movi arg0, 0');
  t.regex(microOps('0f 01 c2', LONG)[0], /^movi arg0, (0x)?[1-9]/); // VMLAUNCH
  t.notRegex(microOps('f2 0f 10 c1', LONG).join(), /sys MOVS/); // MOVSD xmm shares its name with the string instruction
});

test('LOCK where it may not be is #UD', (t) => {
  for (const bytes of ['f0 01 c0', 'f0 8b 00', 'f0 39 00', 'f0 0f a3 00', 'f0 90', 'f0 c3'])
    t.regex(microOps(bytes, LONG)[1], /^sys UD/, bytes);
  t.regex(microOps('f0 01 00', LONG)[0], /^xadd32/);
});

test('more than 15 bytes raise #GP(0), 15 do not', (t) => {
  t.deepEqual(microOps(`${'66 '.repeat(15)} 90`, LONG), ['movi t0, 1', 'trapif t0, 269', 'jump 0x1000']);
  t.deepEqual(microOps(`${'66 '.repeat(14)} 90`, LONG).length, 1);
  const builder = new BlockBuilder();
  translateBytes(builder, hex('66 '.repeat(10)), LONG, hex('66 '.repeat(14)));
  t.regex(dumpMicroOps(builder)[1], /^trapif/);
});

test('a block has no more instructions than asked for', (t) => {
  const source = { bytes: hex('90 90 90'), following: () => new Uint8Array(14) };
  t.is(translateBlock(new BlockBuilder(), source, LONG, 0x1000, 1).instructions, 1);
  t.is(translateBlock(new BlockBuilder(), source, LONG, 0x1000).instructions, 3);
});

test('offsets wrap with the mode', (t) => {
  const builder = new BlockBuilder();
  translateBytes(builder, hex('eb fe'), FLAT32, undefined, 0xffff_fffe);
  t.deepEqual(dumpMicroOps(builder), ['jump 0xfffffffe']);
  translateBytes(builder, hex('eb 10'), FLAT32, undefined, 0xffff_fffe);
  t.deepEqual(dumpMicroOps(builder), ['jump 16']);
  translateBytes(builder, hex('eb 10'), REAL, undefined, 0xfffe);
  t.deepEqual(dumpMicroOps(builder), ['jump 16']);
  // Too far for a branch: both targets are selected as constants.
  translateBytes(builder, hex('66 0f 85 00 00 00 80'), REAL, undefined, 0);
  t.deepEqual(
    dumpMicroOps(builder).map((line) => line.split(' ')[0]),
    ['fz', 'movi', 'movi', 'select', 'jumpr'],
  );
  translateBytes(builder, hex('48 8d 05 00 00 00 80'), LONG, undefined, -0x7fff_0000);
  t.is(dumpMicroOps(builder)[0], `movi rax, -0x${(0x7fff_0000 - 7 + 0x8000_0000).toString(16)}`);
});

test('a non-canonical access is through SS when the base or the instruction says so', (t) => {
  const rsp = 2n ** 50n;
  for (const [bytes, address, expected] of [
    ['48 8b 45 00', 5n, true], // mov rax, [rbp]
    ['48 8b 04 24', rsp, true], // mov rax, [rsp]
    ['48 8b 03', rsp, false], // mov rax, [rbx]
    ['64 48 8b 45 00', 5n, false], // mov rax, fs:[rbp]
    ['50', rsp - 8n, true], // push rax
    ['ff 33', rsp - 8n, true], // push [rbx]: the stack's half
    ['ff 33', 5n, false], // and the operand's
    ['c3', rsp, true], // ret
    ['06', 5n, false],
  ] as const) {
    t.is(isStackAccess(hex(bytes), address, rsp), expected, bytes);
  }
  // An address that is rounded to a double may come out on the other side of 2^63.
  t.true(isStackAccess(hex('ff 33'), 2n ** 63n, 2n ** 63n));
  t.true(isStackAccess(hex('ff 33'), 2n ** 63n, -(2n ** 63n)));
});
