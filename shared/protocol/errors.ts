// Every error an operator can meet: code, sentence, exit code of the CLI, hint. One table, so that a script can rely on the codes.
// Sentences name the field or file and the limit; `{x}` is replaced by what went wrong.
import type { ErrorBody } from './messages.js';

interface ErrorKind {
  /** Exit status of the CLI (sysexits.h where one fits; 70 and 124 belong to `hvd run`). */
  readonly exit: number;
  readonly sentence: string;
  readonly hint?: string;
}

/** Exit statuses of `hvd run`, `hvd replay`, `hvd load run` and `hvd experiment` beside the errors below. */
export const RunExit = { OK: 0, FAILED: 1, TRIPLE_FAULT: 70, CRASHED: 71, DIVERGED: 72, TIMEOUT: 124, INTERRUPTED: 130 } as const;

export const ERRORS = {
  usage: { exit: 64, sentence: '{what}' },
  'config.unreadable': { exit: 66, sentence: '{file}: cannot be read: {why}' },
  'config.syntax': { exit: 65, sentence: '{file}:{line}: not YAML: {why}' },
  'config.invalid': { exit: 65, sentence: '{file}:{line} {path}: {why}' },
  'request.invalid': { exit: 65, sentence: '{method}: {path}: {why}' },
  'request.unknown': { exit: 76, sentence: 'unknown request {method}' },
  'protocol.version': {
    exit: 76,
    sentence: 'protocol version {got} does not match {want}',
    hint: 'use hvd and hvtop of the same build as the daemon',
  },
  'protocol.hello-first': { exit: 76, sentence: 'the first request must be hello, got {method}' },
  'protocol.frame-too-long': { exit: 76, sentence: 'frame of {bytes} bytes is longer than {limit}' },
  'protocol.not-msgpack': { exit: 76, sentence: 'frame is not msgpack: {why}' },
  'protocol.not-a-request': { exit: 76, sentence: 'frame is not a request {id, m, p}' },
  'gdb.packet-too-long': { exit: 76, sentence: 'packet of the debugger is longer than {limit} bytes' },
  'socket.in-use': {
    exit: 73,
    sentence: '{socket}: a daemon is already running (pid {pid})',
    hint: 'hvd status shows it, hvd stop ends it',
  },
  'socket.not-a-socket': { exit: 73, sentence: '{socket}: exists and is not a socket' },
  'socket.too-long': {
    exit: 65,
    sentence: '{socket}: path of {bytes} bytes is longer than {limit}',
    hint: 'choose a shorter one with --socket',
  },
  'socket.failed': { exit: 73, sentence: '{socket}: cannot listen: {why}' },
  'daemon.absent': { exit: 69, sentence: '{socket}: no daemon answers', hint: 'start one with: hvd start --detach' },
  'daemon.gone': { exit: 69, sentence: 'the daemon closed the connection' },
  'daemon.slow': { exit: 69, sentence: '{method}: no answer within {ms} ms' },
  'daemon.start-failed': { exit: 69, sentence: 'the daemon did not start: {why}', hint: 'its log is {log}' },
  'machine.lp-start': { exit: 71, sentence: 'LP {lp} did not start: {why}' },
  'machine.lp-silent': { exit: 71, sentence: 'LP {lp} did not answer {command} within {ms} ms' },
  'machine.no-lp': { exit: 71, sentence: 'no LP is left alive (machine checks: {count})' },
  'machine.stopping': { exit: 69, sentence: 'the machine is stopping' },
  'vm.unknown': { exit: 66, sentence: 'no partition named {name}', hint: 'hvd vm list shows them' },
  'vm.exists': { exit: 73, sentence: 'a partition named {name} exists', hint: 'choose another name, or hvd vm destroy it first' },
  'vm.too-many': { exit: 73, sentence: 'a machine holds at most {limit} partitions' },
  'vm.affinity': { exit: 65, sentence: '{name}: scheduling.lps: there is no LP {lp}; the last one is {last}' },
  'vm.affinity-dead': { exit: 75, sentence: '{name}: scheduling.lps: none of the LPs {lps} works' },
  'vm.reserve': { exit: 75, sentence: '{name}: scheduling.reserve: {vps} times {reserve} % is more than there is: {free} % free' },
  'vm.limit': { exit: 65, sentence: '{name}: scheduling.limit: {limit} % is less than the reserve, {reserve} %' },
  'vm.state': { exit: 75, sentence: '{verb}: {name} is {state}; this needs {needs}' },
  'vm.memory': { exit: 71, sentence: '{name}: memory: {bytes} bytes cannot be had from the host: {why}' },
  'vm.no-console': { exit: 69, sentence: '{name}: has no console yet' },
  'inspect.path': { exit: 65, sentence: 'path {path}: {why}' },
  'vm.console-busy': { exit: 75, sentence: '{name}: another terminal types at its console; --force takes it over' },
  'vm.console-full': { exit: 75, sentence: '{name}: console input is full ({limit} bytes wait for the guest)' },
  'image.fetch': {
    exit: 69,
    sentence:
      '{name}: cannot be prepared: {why}; where there is no apt, put a kernel, an initial RAM disk and partition.yaml into {folder}',
  },
  'image.absent': {
    exit: 66,
    sentence: '{image}: the image has not been prepared: {file} is not there',
    hint: 'hvd images fetch {image}',
  },
  'image.unreadable': { exit: 66, sentence: '{file}: cannot be read: {why}' },
  'image.invalid': { exit: 65, sentence: '{why}' },
  'network.forward': { exit: 69, sentence: '{forward}: cannot be forwarded: {why}' },
  'disk.unusable': { exit: 66, sentence: '{file}: is no disk: {why}' },
  // What the loader refuses; the sentence names the file and the limit.
  'boot.memory-size': { exit: 65, sentence: '{why}' },
  'boot.vp-count': { exit: 65, sentence: '{why}' },
  'boot.image-unknown': { exit: 65, sentence: '{why}' },
  'boot.bios-size': { exit: 65, sentence: '{why}' },
  'boot.bios-loads-nothing': { exit: 65, sentence: '{why}' },
  'boot.video-bios': { exit: 65, sentence: '{why}' },
  'boot.image-truncated': { exit: 65, sentence: '{why}' },
  'boot.image-unsupported': { exit: 65, sentence: '{why}' },
  'boot.image-malformed': { exit: 65, sentence: '{why}' },
  'boot.segment-outside-ram': { exit: 65, sentence: '{why}' },
  'boot.entry-outside-image': { exit: 65, sentence: '{why}' },
  'boot.memory-too-small': { exit: 65, sentence: '{why}' },
  'boot.initrd-too-large': { exit: 65, sentence: '{why}' },
  'boot.initrd-unsupported': { exit: 65, sentence: '{why}' },
  'boot.command-line-too-long': { exit: 65, sentence: '{why}' },
  'policy.unknown': { exit: 66, sentence: 'no policy named {name}', hint: 'hvd policy list shows them' },
  'policy.value': { exit: 65, sentence: '{name}: {value} is not one of {values}' },
  'device.unknown': { exit: 66, sentence: 'no device named {name}', hint: 'hvd device list shows them' },
  'policy.machine': { exit: 65, sentence: '{name} is one for the whole machine: no partition has a setting of its own' },
  'port.none': {
    exit: 69,
    sentence: '{name}: has no Hyper-V interface, and so no ports and connections',
    hint: 'hv: or --hv give it one',
  },
  'port.taken': { exit: 73, sentence: '{name}: {what} {id} is open already', hint: 'hvd {what} close {name} {id} closes it' },
  'port.full': { exit: 73, sentence: '{name}: {what} {id}: {limit} are open, and there can be no more' },
  'connection.port': { exit: 66, sentence: '{name}: connection {id}: {to} has no port {port}', hint: 'hvd port list {to} shows them' },
  'port.unknown': { exit: 66, sentence: '{name}: has no {what} {id}', hint: 'hvd {what} list {name} shows them' },
  'load.none': {
    exit: 69,
    sentence: '{name}: so many loads wait already, and nothing in the guest takes them',
    hint: 'the workload guests take loads, and Linux guests with the agent of hvd images fetch',
  },
  'load.no-agent': {
    exit: 65,
    sentence: '{name} has no virtio console, by which an agent in it would be told of {job}',
    hint: 'devices: [{ kind: console }] in its file, or --virtio-console',
  },
  'load.deaf': { exit: 69, sentence: '{name}: its agent has not read what it was told before' },
  'load.unknown': { exit: 65, sentence: 'no job named {job}; there are {jobs}' },
  'load.parameter': { exit: 65, sentence: '{job} has no parameter {parameter}; it has {parameters}' },
  'vm.vp': { exit: 65, sentence: '{name} has VPs 0..{last}, not {vp}' },
  'load.vp': { exit: 65, sentence: '{name} has VPs 0..{last}, not {vp}' },
  'script.time': { exit: 65, sentence: '{script}: phase {phase} would begin at cycle {at}; expected at least {least}' },
  'script.many': { exit: 69, sentence: '{limit} scripts are played already: no more are told of' },
  'script.partition': {
    exit: 65,
    sentence: '{script}: partitions: {name}: {field}: {expected} is wanted, and the partition of that name has {actual}',
    hint: 'another name in the script, or hvd vm destroy {name}',
  },
  'script.nothing': { exit: 65, sentence: 'nothing was done to the machine: there is nothing to write down' },
  'script.unwritten': { exit: 73, sentence: '{file}: cannot be written: {why}' },
  'script.parameter': { exit: 64, sentence: '{file} has no parameter {name}; it has {names}' },
  'cell.timeout': { exit: 124, sentence: 'not done within {ms} ms of the host' },
  'cell.defect': { exit: 71, sentence: '{why}' },
  'experiment.cells': { exit: 65, sentence: '{name}: {cells} cells are more than {limit}' },
  'experiment.other': {
    exit: 73,
    sentence: '{dir}: holds results of another experiment or of another version of it ({what})',
    hint: 'choose another --out, or remove it',
  },
  'experiment.unwritten': { exit: 73, sentence: '{file}: cannot be written: {why}' },
  'experiment.unreadable': { exit: 66, sentence: '{dir}: no results of an experiment: {why}' },
  'nats.absent': { exit: 69, sentence: 'NATS: its packages are not installed: {why}', hint: 'npm install --include=optional' },
  'nats.unreachable': { exit: 69, sentence: '{url}: {why}' },
  'recording.unreadable': { exit: 66, sentence: '{file}: cannot be read: {why}' },
  'recording.foreign': { exit: 65, sentence: '{file}: not a recording of hvd' },
  'recording.format': { exit: 65, sentence: '{file}: a recording in format {got}; this hvd reads format {want}' },
  'recording.version': {
    exit: 65,
    sentence: '{file}: recorded by hvd {got}, this is {want}: the course would be another one',
    hint: 'play it with the version that recorded it',
  },
  'recording.damaged': { exit: 65, sentence: '{file}: damaged at byte {at}: {why}' },
  'recording.empty': { exit: 65, sentence: '{file}: cut at byte {at}, before the machine was described' },
  'recording.image': { exit: 66, sentence: '{file}: {image} is not in it, and {why}' },
  'recording.disk': {
    exit: 65,
    sentence: '{file}: a disk that keeps what is written to it cannot be recorded',
    hint: 'make it read-only (,ro) or copy-on-write (,cow)',
  },
  'recording.until': { exit: 65, sentence: '--until: {why}' },
  'recording.clock': { exit: 65, sentence: 'only the deterministic clock can be recorded, not {clock}', hint: 'leave --clock away' },
  'recording.write': { exit: 73, sentence: '{file}: cannot be written: {why}' },
  'recording.snapshot': { exit: 65, sentence: '{file}: not a snapshot of this recording: {why}' },
  'snapshot.unreadable': { exit: 66, sentence: '{file}: cannot be read: {why}' },
  'snapshot.foreign': { exit: 65, sentence: '{file}: not a snapshot of hvd' },
  'snapshot.format': { exit: 65, sentence: '{file}: a snapshot in format {got}; this hvd reads format {want}' },
  'snapshot.version': {
    exit: 65,
    sentence: '{file}: taken by hvd {got}, this is {want}',
    hint: 'take it up with the version that took it',
  },
  'snapshot.damaged': { exit: 65, sentence: '{file}: damaged at byte {at}: {why}' },
  'snapshot.empty': { exit: 65, sentence: '{file}: cut at byte {at}, before the machine was described' },
  'snapshot.cut': { exit: 65, sentence: '{file}: cut at byte {at}: it has no end' },
  'snapshot.field': { exit: 65, sentence: '{file}: {field}: {why}' },
  'snapshot.disk': { exit: 66, sentence: '{file}: {name}.devices[{device}]: {disk}: {why}' },
  'snapshot.state': { exit: 70, sentence: '{file}: {field}: {found} was taken up, not {expected}', hint: 'this is a defect of hvd' },
  'snapshot.debugger': { exit: 75, sentence: 'a debugger is attached: no snapshot is taken while it may change the machine' },
  'snapshot.dead': { exit: 75, sentence: 'LP {lp} has died: no snapshot is taken of a machine that is not whole' },
  'snapshot.busy': { exit: 75, sentence: '{name}: its disks have not finished within {ms} ms' },
  'snapshot.write': { exit: 73, sentence: '{file}: cannot be written: {why}' },
  'host.unfit': { exit: 69, sentence: 'this host is not fit for hvd: {what}' },
  'schema.write': { exit: 73, sentence: '{file}: cannot be written: {why}' },
  internal: { exit: 70, sentence: 'internal error: {why}', hint: 'this is a defect of hvd' },
} as const satisfies Record<string, ErrorKind>;
export type ErrorCode = keyof typeof ERRORS;

/** An error for the operator, never a guest's: one line, a code, perhaps a hint. */
export class HvdError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exit: number;

  constructor(code: ErrorCode, fields: Readonly<Record<string, string | number>> = {}, cause?: unknown) {
    const kind: ErrorKind = ERRORS[code];
    const fill = (text: string): string => oneLine(text.replace(/\{(\w+)\}/g, (whole, key: string) => String(fields[key] ?? whole)));
    super(fill(kind.sentence), cause === undefined ? undefined : { cause });
    this.name = 'HvdError';
    this.code = code;
    this.hint = kind.hint === undefined ? undefined : fill(kind.hint);
    this.exit = kind.exit;
  }

  /** The error that crossed the socket, as it was thrown at the other end. */
  static fromBody(body: ErrorBody): HvdError {
    const error = Object.create(HvdError.prototype) as { -readonly [K in keyof HvdError]: HvdError[K] };
    Error.captureStackTrace(error);
    error.name = 'HvdError';
    error.message = body.message;
    error.code = body.code;
    error.hint = body.hint;
    error.exit = body.code in ERRORS ? ERRORS[body.code as ErrorCode].exit : 70;
    return error;
  }
}

export const bodyOf = (error: unknown): ErrorBody => {
  const typed = error instanceof HvdError ? error : new HvdError('internal', { why: reasonOf(error) });
  return typed.hint === undefined
    ? { code: typed.code, message: typed.message }
    : { code: typed.code, message: typed.message, hint: typed.hint };
};

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const LINE_MAX = 500;
const oneLine = (text: string): string => {
  const line = text.replace(/\p{Cc}+/gu, ' ').trim();
  return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line;
};
