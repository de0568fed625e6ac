// Where instruction bytes come from: the page at RIP, and the next one only when an instruction needs it.

export interface CodeSource {
  /** Code from RIP to the end of its page, 1 to 4096 bytes: a copy, so that another processor's writes cannot change it halfway. */
  readonly bytes: Uint8Array;
  /** Up to 14 bytes from the page after. Asked for only when the block's first instruction goes on there; may throw the guest's fault for that page. */
  following(): Uint8Array;
}

/** Longest instruction (SDM 2A 2.3.11); longer ones raise #GP(0). */
export const INSTRUCTION_BYTES_MAX = 15;
