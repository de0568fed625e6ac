// Cross-modifying code by the architecture's rules, on real threads: one processor patches an instruction and says so; the other one sees it, runs CPUID, and
// what comes next is the instruction that is there now (SDM 3A 9.1.3). All of it is one block, so that nothing but CPUID makes it look.
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { assembleCode } from '../rig/code-bytes.js';
import { guestThreads, Place } from '../rig/guest-threads.js';

const { RDI, R8, R9, R10, R11 } = Slot;
const ROUNDS = { cold: 800, hot: 100, both: 800 } as const;
const FLAG = Place.DATA + 0x100;
const DONE = Place.DATA + 0x600;

const PATCHED = assembleCode(Place.DATA + 0x3000, [
  { label: 'wait' },
  'f390',
  // mov rsi, rdi; mov ecx, 1000; rep lodsb: long enough for the other one to do all that it does
  '4889fe',
  'b9e8030000',
  'f3ac',
  '448b27', // mov r12d, [rdi]
  '31c0',
  '0fa2', // xor eax, eax; cpuid
  'b8',
  { label: 'immediate' },
  '00000000', // mov eax, imm32
  '4539c4',
  '0f85',
  { to: 'wait' }, // cmp r12d, r8d; jne
  '4439c0',
  '0f95c3',
  '4108dd', // cmp eax, r8d; setne bl; or r13b, bl: goes on all the same, for the other one waits
  '458903',
  '41ffc0',
  '4539c8', // mov [r11], r8d; inc r8d; cmp r8d, r9d
  '0f85',
  { to: 'wait' },
  '4584ed',
  '0f85',
  { to: 'stale' }, // test r13b, r13b; jne
  { label: 'end' },
  'cc',
  { label: 'stale' },
  'cc',
]);
const PATCHER = assembleCode(Place.CODE, [
  { label: 'next' },
  '458902',
  '448907', // mov [r10], r8d; mov [rdi], r8d
  { label: 'wait' },
  'f390',
  '453903', // pause; cmp [r11], r8d
  '0f85',
  { to: 'wait' },
  '41ffc0',
  '4539c8', // inc r8d; cmp r8d, r9d
  '0f85',
  { to: 'next' },
  { label: 'end' },
  'cc',
]);

for (const tiers of ['cold', 'hot', 'both'] as const)
  test.serial(`after CPUID a processor runs what another one has stored (${tiers})`, async (t) => {
    t.is(PATCHED.at.immediate % 4, 0, 'is patched at once');
    const threads = guestThreads(2, tiers);
    threads.load(Place.DATA + 0x3000, PATCHED.bytes);
    threads.load(Place.CODE, PATCHER.bytes);
    const registers = { [RDI]: FLAG, [R11]: DONE, [R8]: 1, [R9]: ROUNDS[tiers] + 1, [R10]: PATCHED.at.immediate };
    const [patched, patcher] = await threads.run([
      { rip: Place.DATA + 0x3000, registers },
      { rip: Place.CODE, registers },
    ]);
    await threads.close();
    t.deepEqual([patched.error, patcher.error], [null, null]);
    t.deepEqual([patched.rip, patcher.rip], [PATCHED.at.end, PATCHER.at.end]);
  });
