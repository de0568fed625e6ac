// Commands of the floppy controller, and the bits that it tells of them. Reference: Intel 82077AA data sheet, 5 and 6.

export const Command = {
  SPECIFY: 'specify',
  SENSE_DRIVE: 'sense drive status',
  WRITE: 'write data',
  READ: 'read data',
  RECALIBRATE: 'recalibrate',
  SENSE_INTERRUPT: 'sense interrupt status',
  READ_ID: 'read ID',
  FORMAT: 'format track',
  DUMP: 'dump registers',
  SEEK: 'seek',
  VERSION: 'version',
  PERPENDICULAR: 'perpendicular mode',
  CONFIGURE: 'configure',
  LOCK: 'lock',
  INVALID: 'invalid',
} as const;
export type Command = (typeof Command)[keyof typeof Command];

export interface CommandForm {
  readonly command: Command;
  /** The byte with the options of the command cleared. */
  readonly code: number;
  readonly options: number;
  /** Bytes that follow. */
  readonly parameters: number;
}
/** Options in a command's byte: both heads of a cylinder, double density; deleted data passed over; LOCK: on. */
export const Option = { MULTI_TRACK: 0x80, MFM: 0x40, SKIP: 0x20, LOCK: 0x80 } as const;

const FORMS: readonly CommandForm[] = [
  { command: Command.SPECIFY, code: 0x03, options: 0, parameters: 2 },
  { command: Command.SENSE_DRIVE, code: 0x04, options: 0, parameters: 1 },
  { command: Command.WRITE, code: 0x05, options: Option.MULTI_TRACK | Option.MFM, parameters: 8 },
  { command: Command.READ, code: 0x06, options: Option.MULTI_TRACK | Option.MFM | Option.SKIP, parameters: 8 },
  { command: Command.RECALIBRATE, code: 0x07, options: 0, parameters: 1 },
  { command: Command.SENSE_INTERRUPT, code: 0x08, options: 0, parameters: 0 },
  { command: Command.READ_ID, code: 0x0a, options: Option.MFM, parameters: 1 },
  { command: Command.FORMAT, code: 0x0d, options: Option.MFM, parameters: 5 },
  { command: Command.DUMP, code: 0x0e, options: 0, parameters: 0 },
  { command: Command.SEEK, code: 0x0f, options: 0, parameters: 2 },
  { command: Command.VERSION, code: 0x10, options: 0, parameters: 0 },
  { command: Command.PERPENDICULAR, code: 0x12, options: 0, parameters: 1 },
  { command: Command.CONFIGURE, code: 0x13, options: 0, parameters: 3 },
  { command: Command.LOCK, code: 0x14, options: Option.LOCK, parameters: 0 },
];
const INVALID: CommandForm = { command: Command.INVALID, code: 0, options: 0, parameters: 0 };

export const formOf = (byte: number): CommandForm => FORMS.find(({ code, options }) => (byte & ~options) === code) ?? INVALID;

export const MainStatus = { REQUEST: 0x80, TO_PROCESSOR: 0x40, BUSY: 0x10 } as const;
export const Status0 = { ABNORMAL: 0x40, INVALID: 0x80, POLLED: 0xc0, SEEK_END: 0x20, NO_TRACK_0: 0x10 } as const;
export const Status1 = {
  END_OF_CYLINDER: 0x80,
  DATA_ERROR: 0x20,
  OVERRUN: 0x10,
  NO_DATA: 0x04,
  NOT_WRITABLE: 0x02,
  NO_ADDRESS_MARK: 0x01,
} as const;
export const Status3 = { PROTECTED: 0x40, ALWAYS: 0x28, TRACK_0: 0x10 } as const;
/** What VERSION answers: an enhanced controller. */
export const VERSION = 0x90;
