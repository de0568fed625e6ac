// What the module exports: every function is (vp, a, b) -> 64 bits, so that one micro-op calls them all.
export * from './scalar';
