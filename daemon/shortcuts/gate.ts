// What a gated build asks (words.ts); the product imports nothing of it.

/** Before each operation on a shared word. */
export declare function gate(): void;
/** Whether it is to be without a step of the protocol (ShortcutFault). */
export declare function isLacking(step: i32): bool;
