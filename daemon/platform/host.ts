// What the platform devices need from the hypervisor around them: a clock, a way to the local APICs, and the power switch.

export interface PlatformHost {
  /** Partition time in ns. May differ a little between LPs; must not go back on one of them. */
  now(): number;
  /**
   * Interrupt message from the I/O APIC; fields as in SDM 3A 11.11. `mode` is the delivery mode (0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT,
   * 7 ExtINT: the vector then comes from `Platform.picAcknowledge`). Called with the device lock held: must not call back into the platform.
   */
  deliver(destination: number, logical: boolean, mode: number, vector: number, level: boolean): void;
  /** Wire from the 8259 pair's INTR to LINT0 of VP 0. Called on changes only, with the device lock held. */
  setIntr(asserted: boolean): void;
  /**
   * A device is about to store these bytes of guest RAM, which lie in one page, and has stored them: page tables made from them are stale, translated code is void, who
   * monitors them wakes. Nothing may wait or throw in between. Called with the device lock held.
   */
  beginStore(gpa: number, bytes: number): void;
  endStore(gpa: number, bytes: number): void;
  /** What comes from outside must take effect at a point of virtual time that does not hang on the host's: who is due waits for it. */
  readonly deterministic: boolean;
  /** How long virtual time waits, in ms of the host's, for what root is due to have done; 0 where time is the host's own. */
  readonly patienceMs: number;
  /** Devices of the machine that are passed through, by the vectors that they interrupt the guest with: to lower a line; the highest one that is high, 0 none. */
  lowerLine(vector: number): void;
  assertedLine(): number;
  /** Root has something to do, in a deterministic machine before any LP goes on (layout/gate). Called with the device lock held. */
  callRoot(): void;
  /** A command of the test port for synthetic interrupts (hypervisor/hyperv/synic-test). Called without the lock. */
  synicTest(command: number): void;
  /** The rest is called after the access, without the lock. */
  powerOff(): void;
  reset(): void;
  debugExit(value: number): void;
  /** The console has said the text that is waited for. */
  textSeen(): void;
  /** Guest-physical addresses mean other memory than before (PAM registers). */
  remapped(): void;
}

/** The machine's power and reset wires, and whoever waits for a text, as devices see them. */
export interface PowerWires {
  powerOff(): void;
  reset(): void;
  debugExit(value: number): void;
  textSeen(): void;
}
