// Has V8 read the branch hints of WebAssembly modules: what they call unlikely is laid out aside and costs the registers of the likely path nothing.
// Why by a flag: the proposal is finished, but Node 20's V8 reads the section only when told to. Where it is not read, code is slower and does the same.
import { setFlagsFromString } from 'node:v8';

export const honourBranchHints = (): void => setFlagsFromString('--experimental-wasm-branch-hinting');
