// What is known of an instruction by its first bytes must be what iced says of the whole of it, whatever its displacement and immediates are.
import test from 'ava';
import { Code, Decoder, DecoderOptions, Instruction, OpKind, Register } from 'iced-x86';
import { Decoded, InstructionDecoder } from '../../daemon/translate/decode/decoder.js';

const OPTIONS = DecoderOptions.None;
const PREFIXES = [[], [0x66], [0x67], [0xf0], [0xf3], [0xf2], [0x65], [0x2e, 0x66, 0x67], [0x48], [0x66, 0x4f], [0xf3, 0x41]];
const MAPS = [
  [],
  [0x0f],
  [0x0f, 0x38],
  [0x0f, 0x3a],
  [0x0f, 0x0f],
  [0xc5, 0xf8],
  [0xc4, 0xe2, 0x79],
  [0xc4, 0xe3, 0xf9],
  [0x62, 0xf1, 0x7c, 0x48],
];
// One ModRM of each kind: registers, no displacement, SIB with base and without, 8 and 32 (16) bits of displacement, RIP.
const MODRMS = [[0xc1], [0x03], [0x04, 0x8d], [0x04, 0x24], [0x45], [0x84, 0xcb], [0x80], [0x05], [0x06]];
const TAILS = [
  [0x80, 0xff, 0x7f, 0x01, 0xf1, 0xe2, 0xd3, 0xc4, 0x95, 0x86, 0x77, 0x68],
  [0x12, 0x34, 0x56, 0xf8, 0x9a, 0xbc, 0xde, 0x70, 0x0f, 0xed, 0xcb, 0xa9],
];
const WRAP = 2n ** 64n;

/** What the two say of the instruction at the head of the bytes, as one line each. */
const byIced = (i: Instruction): string => {
  const operands: string[] = [];
  for (let n = 0; n < i.opCount; n++) {
    const kind = i.opKind(n);
    operands.push(String(kind));
    if (kind === OpKind.Register) operands.push(`r${i.opRegister(n)}`);
    else if (kind === OpKind.Immediate8) operands.push(`i${i.immediate8}`);
    else if (kind === OpKind.Immediate16) operands.push(`i${i.immediate16}`);
    else if (kind === OpKind.Immediate32) operands.push(`i${i.immediate32 | 0}`);
    else if (kind === OpKind.Immediate64) operands.push(`i${i.immediate64}`);
    else if (kind === OpKind.FarBranch32) operands.push(`i${i.farBranch32}:${i.farBranchSelector}`);
    else if (kind === OpKind.Memory)
      operands.push(
        `m${i.memoryBase},${i.memoryIndex},${i.memoryIndexScale},${i.memorySegment},${BigInt.asUintN(64, i.memoryDisplacement)}`,
      );
  }
  return `${i.code} ${i.length} ${i.mnemonic} ${i.hasRepPrefix} ${i.hasRepnePrefix} ${operands.join(' ')}`;
};
const byTable = (decoder: InstructionDecoder): string => {
  const i = decoder.instruction;
  const operands: string[] = [];
  for (let n = 0; n < i.opCount; n++) {
    const kind = i.opKind(n);
    operands.push(String(kind));
    if (kind === OpKind.Register) operands.push(`r${i.opRegister(n)}`);
    else if (kind === OpKind.Immediate8) operands.push(`i${i.immediate8}`);
    else if (kind === OpKind.Immediate16) operands.push(`i${i.immediate16}`);
    else if (kind === OpKind.Immediate32) operands.push(`i${i.immediate32}`);
    else if (kind === OpKind.Immediate64) operands.push(`i${(BigInt(i.immediate64Hi >>> 0) << 32n) | BigInt(i.immediate32 >>> 0)}`);
    else if (kind === OpKind.FarBranch32) operands.push(`i${i.farBranch32}:${i.farBranchSelector}`);
    else if (kind === OpKind.Memory) {
      i.readDisplacement();
      const whole = (BigInt(i.displacementHi) << 32n) | BigInt(i.displacementLo >>> 0);
      let displacement = BigInt.asUintN(64, whole + (i.encoding.ripRelative ? BigInt(decoder.length) : 0n));
      if (i.memoryBase === Register.EIP) displacement &= 0xffff_ffffn;
      operands.push(`m${i.memoryBase},${i.memoryIndex},${i.memoryIndexScale},${i.memorySegment},${displacement % WRAP}`);
    }
  }
  return `${decoder.code} ${decoder.length} ${i.mnemonic} ${i.hasRepPrefix} ${i.hasRepnePrefix} ${operands.join(' ')}`;
};

for (const bits of [16, 32, 64] as const) {
  test(`${bits}-bit encodings say what iced says`, (t) => {
    const decoder = new InstructionDecoder();
    const instruction = new Instruction();
    let known = 0;
    for (const tail of TAILS)
      for (const prefix of PREFIXES)
        for (const map of MAPS)
          for (let opcode = 0; opcode < 256; opcode++)
            for (const modrm of MODRMS) {
              const bytes = Uint8Array.from([...prefix, ...map, opcode, ...modrm, ...tail]).subarray(0, 15);
              const iced = new Decoder(bits, bytes, OPTIONS);
              iced.decodeOut(instruction);
              iced.free();
              decoder.open(bits, bytes);
              const found = decoder.next(0);
              if ((instruction.code === Code.INVALID) !== (found !== Decoded.OK)) t.fail(`${bytes}: ${found}`);
              if (found !== Decoded.OK) continue;
              known++;
              if (byTable(decoder) !== byIced(instruction)) t.is(byTable(decoder), byIced(instruction), `${bytes}`);
            }
    instruction.free();
    t.true(known > 20_000);
  });
}

test('a known instruction that the bytes cut off is cut off', (t) => {
  const decoder = new InstructionDecoder();
  decoder.open(32, Uint8Array.of(0xb8, 1, 2, 3, 4));
  t.is(decoder.next(0), Decoded.OK);
  decoder.open(32, Uint8Array.of(0xb8, 1, 2, 3));
  t.is(decoder.next(0), Decoded.CUT_OFF);
  decoder.open(32, Uint8Array.of(0x0f));
  t.is(decoder.next(0), Decoded.CUT_OFF);
});

test('a guest that makes up prefixes without end does not fill memory, and is still decoded right', (t) => {
  const decoder = new InstructionDecoder();
  const choice = [0x26, 0x2e, 0x36, 0x3e];
  for (let n = 0; n < 4096; n++) {
    const bytes = Uint8Array.of(...Array.from({ length: 6 }, (_, i) => choice[(n >>> (2 * i)) & 3]), 0x05, n, n >>> 8, 0, 0);
    decoder.open(32, bytes);
    t.is(decoder.next(0), Decoded.OK);
    t.is(decoder.length, 11);
    t.is(decoder.instruction.immediate32, n & 0xffff);
  }
});
