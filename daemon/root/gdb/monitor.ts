// What `monitor …` in GDB asks of hvd itself: which partition, and what a linear address is in the guest's own page tables.
import { dumpRegisters } from '../registers.js';
import type { DebugControl } from './debug-control.js';

export interface MonitorContext {
  readonly control: DebugControl;
  /** VP of the thread at hand. */
  readonly vp: number;
  readonly names: () => string[];
  readonly address: (word: string) => number | undefined;
  /** Goes over to another partition. False: there is none of that name. */
  readonly take: (name: string) => Promise<boolean>;
}

const HELP = `registers         the thread's registers in hvd's form, with its mode
walk ADDRESS      entries of the guest's page tables on the way to a linear address
partitions        names; the debugged one is marked
partition NAME    debug that one (connect anew if its processor is in another mode)
`;

/** The text to be shown. */
export const monitor = async (command: string, context: MonitorContext): Promise<string> => {
  const [verb, operand = ''] = command.trim().split(/\s+/, 2);
  const { control, vp } = context;
  switch (verb) {
    case 'registers': {
      const block = control.target?.body.vps[vp];
      return block === undefined ? 'no partition\n' : `${dumpRegisters(block, vp)}\n`;
    }
    case 'walk': {
      const address = context.address(operand);
      return address === undefined ? `not a linear address: ${operand}\n` : walk(control, vp, address);
    }
    case 'partitions':
      return context
        .names()
        .map((name) => `${name === control.target?.name ? '*' : ' '} ${name}\n`)
        .join('');
    case 'partition':
      return (await context.take(operand)) ? `debugging ${operand}\n` : `no partition named ${operand}\n`;
    default:
      return HELP;
  }
};

const walk = async (control: DebugControl, vp: number, address: number): Promise<string> => {
  const { steps, physical } = await control.walk(vp, address);
  const lines = steps.map(({ level, at, entry }) => `level ${level} at ${at.toString(16)}: ${entry.toString(16)}\n`);
  return `${lines.join('')}${physical === undefined ? 'leads nowhere' : `guest physical ${physical.toString(16)}`}\n`;
};
