// What translated code takes of the host's memory for each byte of guest code that it was made from (layout/lp-context, CODE_COUNTS).

export interface CodeMemory {
  readonly guestBytes: number;
  /** The code cache and its metadata: records, blocks, templates, WebAssembly. */
  readonly held: number;
  /** What V8 makes of the WebAssembly, estimated. */
  readonly machineBytes: number;
}

export const codeMemoryOf = (code: Readonly<Record<string, number>>): CodeMemory => ({
  guestBytes: code.guestBytes ?? 0,
  held: (code.recordBytes ?? 0) + (code.metadataBytes ?? 0) + (code.unitBytes ?? 0),
  machineBytes: code.machineBytes ?? 0,
});

export const perGuestByte = (bytes: number, { guestBytes }: CodeMemory): number => (guestBytes === 0 ? 0 : bytes / guestBytes);
