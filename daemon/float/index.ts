// What the module exports: every function is (vp, a, b) -> 64 bits, so that one micro-op calls them all.
export * from './bits';
export * from './fpu-angle';
export * from './fpu-arc-tangent';
export {
  x87Absolute,
  x87ArithmeticMemory,
  x87ArithmeticRegister,
  x87ChangeSign,
  x87Exchange,
  x87Extract,
  x87RoundToInteger,
  x87Scale,
  x87SquareRoot,
} from './fpu-arithmetic';
export * from './fpu-compare';
export * from './fpu-control';
export * from './fpu-exponential';
export * from './fpu-logarithm';
export * from './fpu-moves';
export * from './fpu-remainder';
export * from './scalar';
export * from './vector';
export * from './vector-integer';
