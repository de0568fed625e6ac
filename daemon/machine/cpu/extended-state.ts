// Which extended state instructions may work on now: the word that the micro-op `usable` looks at, derived from CR0, CR4 and XCR0.
// Why derived: translated code tests one word, once a block, instead of being part of another code mode after every task switch.
// References: SDM 3A 2.5 (EM, MP, TS), 13.1 (OSFXSR), SDM 2A 2.4 (AVX: OSXSAVE and XCR0; not in real and virtual-8086 mode).
import { Cr0, Cr4, Xcr0 } from '../../../shared/abi/registers.js';
import { ExtendedState, type VpBlock } from '../../../shared/layout/vp.js';
import { hasRealSegments } from './mode.js';

const AVX_STATE = Xcr0.SSE | Xcr0.AVX;

export const fillUnusable = (vp: VpBlock): void => {
  const { cr0, cr4 } = vp;
  const { X87, WAIT, MMX, SSE, AVX, VEX } = ExtendedState;
  let undefinedOpcode = 0;
  let notAvailable = 0;
  if ((cr0 & Cr0.EM) !== 0) {
    undefinedOpcode |= MMX | SSE;
    notAvailable |= X87;
  }
  if ((cr4 & Cr4.OSFXSR) === 0) undefinedOpcode |= SSE;
  if (hasRealSegments(vp)) undefinedOpcode |= AVX | VEX;
  if ((cr4 & Cr4.OSXSAVE) === 0 || (vp.xcr0 & AVX_STATE) !== AVX_STATE) undefinedOpcode |= AVX;
  if ((cr0 & Cr0.TS) !== 0) notAvailable |= X87 | MMX | SSE | AVX | ((cr0 & Cr0.MP) !== 0 ? WAIT : 0);
  vp.unusable = undefinedOpcode | (notAvailable << 8);
};
