// An LP worker that runs no guest code: it obeys the mailbox and pretends, as the partition's name says. For tests of root, socket and CLI.
//   late-*   powers off, and traces that 200 ms later
//   say-*    writes its name to COM1 and powers off     off-*  powers off at once         debug-*  writes 21 to the debug-exit port
//   triple-* triple fault                               throw-* the worker throws         exit-*   the worker's thread exits
//   hang-*   the LP stops answering                     others run, 1000 instructions at a time
import { receiveMessageOnPort } from 'node:worker_threads';
import { collectGarbage } from '../../shared/kit/collect-garbage.js';
import { CONSOLE_OUT_BYTES, DeviceMap } from '../../shared/layout/devices.js';
import { freeGate, isGateDue, isStanding, standAtGate } from '../../shared/layout/gate.js';
import {
  EVENT_RING,
  EVENT_SIZE,
  EventType,
  eventRingAt,
  LpBlock,
  LpLayout,
  LpState,
  lpBlockAt,
  MachineHeader,
} from '../../shared/layout/machine.js';
import { type AttachMessage, type LpBoot, MailCommand, mailIndexes } from '../../shared/layout/mailbox.js';
import { ExitCause, PartitionHeader, PartitionLayout, PartitionState, vpBlockAt } from '../../shared/layout/partition.js';
import { ByteLog } from '../../shared/layout/ring.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';

interface Attached {
  readonly name: string;
  readonly slot: number;
  readonly views: Views;
  readonly header: PartitionHeader;
}

const STEP = 1000;

export default (boot: LpBoot): void => {
  const machine = viewsOf(boot.machine);
  const block = new LpBlock(machine, lpBlockAt(boot.lp));
  const mail = mailIndexes(block);
  const word = (field: 'state' | 'doorbell' | 'current' | 'eventHead'): number => (block.base + LpLayout.at[field]) >>> 2;
  const { lpCount } = new MachineHeader(machine, 0);
  const attached = new Map<number, Attached>();

  const event = (kind: number, slot: number, vp: number): void => {
    const head = Atomics.load(machine.i32, word('eventHead'));
    const at = (eventRingAt(boot.lp, lpCount) + (head % EVENT_RING) * EVENT_SIZE) >>> 2;
    machine.u32[at] = block.clockNum >>> 0;
    machine.u32[at + 1] = kind | (slot << 8) | (vp << 16);
    Atomics.store(machine.i32, word('eventHead'), head + 1);
  };
  const end = ({ views, header }: Attached, state: number, cause: number, detail = 0): void => {
    header.exitCause = cause;
    header.exitDetail = detail;
    Atomics.store(views.i32, PartitionLayout.at.state >>> 2, state);
  };
  const act = (partition: Attached): void => {
    switch (partition.name.split('-')[0]) {
      case 'say': {
        const log = new ByteLog(partition.views, DeviceMap.CONSOLE_OUT, CONSOLE_OUT_BYTES);
        for (const byte of Buffer.from(`hello from ${partition.name}\n`)) log.append(byte);
        end(partition, PartitionState.POWERED_OFF, ExitCause.POWER_OFF);
        break;
      }
      case 'late':
        end(partition, PartitionState.POWERED_OFF, ExitCause.POWER_OFF);
        Atomics.wait(machine.i32, word('current'), Atomics.load(machine.i32, word('current')), 200);
        block.traceLo = 1;
        block.traceHi = 2;
        break;
      case 'off':
        end(partition, PartitionState.POWERED_OFF, ExitCause.POWER_OFF);
        break;
      case 'debug':
        end(partition, PartitionState.POWERED_OFF, ExitCause.DEBUG_EXIT, 21);
        break;
      case 'triple':
        end(partition, PartitionState.CRASHED, ExitCause.TRIPLE_FAULT);
        break;
      case 'throw':
        throw new Error('stub: out of order');
      case 'exit':
        process.exit(3);
        break;
      case 'hang':
        for (;;) Atomics.wait(machine.i32, word('current'), Atomics.load(machine.i32, word('current')));
    }
  };
  const command = (): boolean => {
    if ((Atomics.load(machine.i32, mail.sequence) & 1) === 0) return true;
    const what = Atomics.load(machine.i32, mail.command);
    const slot = Atomics.load(machine.i32, mail.args);
    if (what === MailCommand.ATTACH) {
      const message = receiveMessageOnPort(boot.control)?.message as AttachMessage;
      const views = viewsOf(message.memory.buffer);
      attached.set(slot, { name: message.name, slot, views, header: new PartitionHeader(views, 0) });
    } else if (what === MailCommand.DETACH) {
      attached.delete(slot);
      collectGarbage();
    }
    Atomics.add(machine.i32, mail.sequence, 1);
    return what !== MailCommand.STOP;
  };
  const step = (partition: Attached): boolean => {
    let ran = false;
    for (let index = 0; index < partition.header.vpCount; index++) {
      const vp = new VpBlock(partition.views, vpBlockAt(index));
      if (vp.homeLp !== boot.lp) continue;
      Atomics.store(machine.i32, word('current'), (partition.slot << 8) | index);
      if (Atomics.load(partition.views.i32, PartitionLayout.at.state >>> 2) === PartitionState.RUNNING) {
        event(EventType.SCHEDULE_IN, partition.slot, index);
        act(partition);
        vp.instructionsNum += STEP;
        block.clockNum += STEP;
        ran = true;
      }
      Atomics.store(machine.i32, word('current'), -1);
    }
    return ran;
  };

  // LP 0 has the turn always: a deterministic machine lets the world outside in when the stub stands at the gate.
  let standing = false;
  const stands = (): boolean => {
    if (standing && !isStanding(machine, boot.lp)) {
      freeGate(machine);
      standing = false;
    } else if (!standing && boot.lp === 0 && isGateDue(machine)) {
      standing = standAtGate(machine, boot.lp, 0);
    }
    return standing;
  };

  Atomics.store(machine.i32, word('state'), LpState.IDLE);
  while (command()) {
    const seen = Atomics.load(machine.i32, word('doorbell'));
    const ran = !stands() && [...attached.values()].map(step).includes(true);
    // Sleeps a little even with work: the stub must not take the processor that the tests need.
    Atomics.wait(machine.i32, word('doorbell'), seen, ran ? 1 : 20);
  }
};
