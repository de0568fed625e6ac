// The instructions that do not wait and do not touch the pointers: FNINIT FNCLEX FLDCW FNSTCW FNSTSW; and the whole status word, for images.
import { FPU_CONTROL, FPU_DATA_POINTER, FPU_FAULT, FPU_INSTRUCTION_POINTER, FPU_OPCODE, FPU_STATUS, FPU_TOP, FPU_VALID } from './layout';

const SUMMARY: i32 = 0x8080;
const MF: i64 = 16;

/** ES and B follow the exceptions that are there and not masked. */
function summarize(vp: i32, status: i32): void {
  const pending = (status & ~load<i32>(vp, FPU_CONTROL) & 63) != 0;
  store<i32>(vp, pending ? status | SUMMARY : status & ~SUMMARY, FPU_STATUS);
  store<i64>(vp, pending ? MF : 0, FPU_FAULT);
}
/** FNINIT */
export function x87Initialize(vp: i32, a: i64, b: i64): i64 {
  store<i32>(vp, 0x37f, FPU_CONTROL);
  store<i32>(vp, 0, FPU_STATUS);
  store<i32>(vp, 0, FPU_TOP);
  store<i32>(vp, 0, FPU_VALID);
  store<i32>(vp, 0, FPU_OPCODE);
  store<i64>(vp, 0, FPU_DATA_POINTER);
  store<i64>(vp, 0, FPU_INSTRUCTION_POINTER);
  store<i64>(vp, 0, FPU_FAULT);
  return 0;
}
/** FNCLEX: condition codes stay. */
export function x87ClearExceptions(vp: i32, a: i64, b: i64): i64 {
  summarize(vp, load<i32>(vp, FPU_STATUS) & 0x7f00);
  return 0;
}
/** FLDCW. Bit 6 reads as 1, bits 7, 15:13 as 0. */
export function x87LoadControl(vp: i32, word: i64, b: i64): i64 {
  store<i32>(vp, (<i32>word & 0x1f3f) | 0x40, FPU_CONTROL);
  summarize(vp, load<i32>(vp, FPU_STATUS));
  return 0;
}
export function x87StoreControl(vp: i32, a: i64, b: i64): i64 {
  return load<i32>(vp, FPU_CONTROL);
}
export function x87StoreStatus(vp: i32, a: i64, b: i64): i64 {
  return load<i32>(vp, FPU_STATUS) | (load<i32>(vp, FPU_TOP) << 11);
}
/** From an image: a = status word. */
export function x87LoadStatus(vp: i32, word: i64, b: i64): i64 {
  store<i32>(vp, (<i32>word >> 11) & 7, FPU_TOP);
  summarize(vp, <i32>word & 0x477f);
  return 0;
}
