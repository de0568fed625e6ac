// The synthetic interrupt controllers of a partition as `hvd vm inspect` shows them: read while guests run, so that what is there now need not be of one moment.
import { EVENT_FLAGS_BYTES, MESSAGE_PENDING_WORD, Message, MessageType, SINTS, Sint, STIMERS } from '../../shared/abi/synic.js';
import { hasVmbus } from '../../shared/hyperv/hyperv-choice.js';
import { readHyperv } from '../../shared/hyperv/partition-hyperv.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { Stimer, SynicHeader, SynicLayout, SynicRegisters, sintCountAt, stimerAt, synicAt } from '../../shared/layout/synic.js';
import type { SintOfVp, SynicInspect, VmbusInspect } from '../../shared/protocol/messages.js';

export const inspectSynic = (views: Views, vpCount: number): SynicInspect[] => {
  const stats: SynicInspect[] = [];
  for (let vp = 0; vp < vpCount; vp++) {
    const controller = new SynicRegisters(views, synicAt(vp));
    const timers = Array.from({ length: STIMERS }, (_, timer) => new Stimer(views, stimerAt(vp, timer)));
    const timersFired = timers.reduce((sum, { fired }) => sum + fired, 0);
    if (controller.enabled === 0 && timersFired === 0) continue;
    stats.push({
      vp,
      eoms: controller.eoms,
      deepest: controller.deepest,
      timersFired,
      timersSkipped: timers.reduce((sum, { skipped }) => sum + skipped, 0),
      sints: Array.from({ length: SINTS }, (_, sint) => inspectSint(controller, vp, sint)).filter(isOfInterest),
    });
  }
  return stats;
};

export const inspectVmbus = (views: Views): VmbusInspect | null => {
  if (!hasVmbus(readHyperv(views))) return null;
  const { vmbusVersion, vmbusRefused } = new SynicHeader(views, PartitionMap.SYNIC);
  return { version: vmbusVersion === 0 ? null : `${vmbusVersion >>> 16}.${vmbusVersion & 0xffff}`, refused: vmbusRefused };
};

const inspectSint = ({ views, messagePage, eventPage }: SynicRegisters, vp: number, sint: number): SintOfVp => {
  const { u32 } = views;
  const register = u32[(synicAt(vp) + SynicLayout.at.sints + sint * 8) >>> 2]!;
  const slot = messagePage === 0 ? 0 : (messagePage + sint * Message.BYTES) >>> 2;
  const busy = slot !== 0 && u32[slot + (Message.TYPE >>> 2)] !== MessageType.NONE;
  return {
    sint,
    vector: register & Sint.VECTOR,
    masked: (register & Sint.MASKED) !== 0,
    autoEoi: (register & Sint.AUTO_EOI) !== 0,
    polling: (register & Sint.POLLING) !== 0,
    messages: u32[sintCountAt(vp, 'messages', sint) >>> 2]!,
    pendings: u32[sintCountAt(vp, 'pendings', sint) >>> 2]!,
    events: u32[sintCountAt(vp, 'events', sint) >>> 2]!,
    interrupts: u32[sintCountAt(vp, 'interrupts', sint) >>> 2]!,
    busy,
    pending: busy && (u32[slot + (Message.SIZE >>> 2)]! & MESSAGE_PENDING_WORD) !== 0,
    waiting: u32[(synicAt(vp) + SynicLayout.at.depths + sint * 4) >>> 2]!,
    flags: eventPage === 0 ? 0 : flagsSet(u32, (eventPage + sint * EVENT_FLAGS_BYTES) >>> 2),
  };
};

const isOfInterest = ({ masked, messages, events, waiting }: SintOfVp): boolean => !masked || messages > 0 || events > 0 || waiting > 0;

const flagsSet = (u32: Uint32Array, at: number): number => {
  let count = 0;
  for (let word = at; word < at + EVENT_FLAGS_BYTES / 4; word++) for (let bits = u32[word]!; bits !== 0; bits &= bits - 1) count++;
  return count;
};
