// The synthetic interrupt controllers against a model of a few lines, in any order of what senders, readers and operators may do.
// Replay: what a failing run prints (seed and path), e.g. HVD_SEED=1 bash test/run.sh dist/test/property/synic.test.js
import test from 'ava';
import fc from 'fast-check';
import { PortDirectory } from '../../daemon/hypervisor/synic/port-directory.js';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { HvStatus } from '../../shared/abi/hyperv.js';
import { MESSAGE_PENDING_WORD, Message, Sint } from '../../shared/abi/synic.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { type Views, viewsOf } from '../../shared/layout/struct.js';
import { ANY_VP, PORT_BUFFERS, PortKind, PortLayout, portAt, powerUpSynic, SynicLayout, synicAt } from '../../shared/layout/synic.js';

const VPS = 2;
const SINTS_USED = [2, 5] as const;
const AT = SynicLayout.at;
const vectorOf = (sint: number): number => 0x40 + sint;
/** Port numbers with what they deliver to: two that share a SINT, one of another SINT, one for any VP. */
const PORTS = [
  { id: 1, sint: 2, vp: 0 },
  { id: 2, sint: 2, vp: 0 },
  { id: 3, sint: 5, vp: 1 },
  { id: 4, sint: 5, vp: ANY_VP },
] as const;

interface Interrupt {
  readonly vp: number;
  readonly vector: number;
}

class Rig {
  readonly views: Views;
  readonly directory: PortDirectory;
  readonly interrupts: Interrupt[] = [];
  always = false;

  constructor() {
    this.views = viewsOf(new SharedArrayBuffer(PartitionMap.RAM + VPS * 8192));
    powerUpSynic(this.views);
    this.directory = new PortDirectory(this.views, new SharedWords(this.views), {
      vpCount: VPS,
      polling: true,
      raise: (vp, vector) => this.interrupts.push({ vp, vector }),
      alwaysPending: () => this.always,
      store: (_address, _bytes, put) => put(),
    });
    for (let vp = 0; vp < VPS; vp++) {
      this.enable(vp, true);
      for (const sint of SINTS_USED) this.sint(vp, sint, vectorOf(sint));
    }
    for (const port of PORTS) this.directory.openPort({ ...port, kind: PortKind.MESSAGE });
  }

  word(address: number): number {
    return this.views.u32[address >>> 2];
  }
  slot(vp: number, sint: number): number {
    return PartitionMap.RAM + vp * 8192 + sint * Message.BYTES;
  }
  enable(vp: number, on: boolean): void {
    const { i32 } = this.views;
    i32[(synicAt(vp) + AT.enabled) >>> 2] = 1;
    i32[(synicAt(vp) + AT.messagePage) >>> 2] = on ? PartitionMap.RAM + vp * 8192 : 0;
    this.directory.synic.rescan(vp);
  }
  sint(vp: number, sint: number, value: number): void {
    this.views.u64[(synicAt(vp) + AT.sints + sint * 8) >>> 3] = BigInt(value);
    this.directory.synic.rescan(vp);
  }
  free(port: number): number {
    let bits = this.word(portAt(port) + PortLayout.at.free);
    let n = 0;
    for (; bits !== 0; bits &= bits - 1) n++;
    return n;
  }
}

/** What waits and what stands in the slot, by VP and SINT; `told`: the slot's reader was told of another message; `owed`: it has emptied the slot and not said so yet. */
class Place {
  queue: { port: number; value: number }[] = [];
  slot: { port: number; value: number } | undefined;
  told = false;
  raised = 0;
}

class Model {
  readonly places = new Map<number, Place>();
  readonly enabled = Array.from({ length: VPS }, () => true);
  readonly masked = new Set<number>();
  readonly open = new Set<number>(PORTS.map(({ id }) => id));

  at(vp: number, sint: number): Place {
    const key = vp * 16 + sint;
    const place = this.places.get(key) ?? new Place();
    this.places.set(key, place);
    return place;
  }
  target(vp: number): number {
    return vp === ANY_VP ? this.enabled.indexOf(true) : this.enabled[vp] ? vp : -1;
  }
  waitingOf(port: number): number {
    return [...this.places.values()].reduce((sum, { queue }) => sum + queue.filter((m) => m.port === port).length, 0);
  }
  deliver(vp: number, sint: number): void {
    const place = this.at(vp, sint);
    if (!this.enabled[vp] || place.queue.length === 0) return;
    if (place.slot !== undefined) {
      place.told = true;
      return;
    }
    place.slot = place.queue.shift();
    place.told = place.queue.length > 0;
    if (!this.masked.has(vp * 16 + sint)) place.raised++;
  }
}

type Action =
  | { readonly kind: 'post'; readonly port: number }
  | { readonly kind: 'flood'; readonly port: number }
  | { readonly kind: 'take' | 'empty' | 'eoi' | 'mask' | 'unmask'; readonly vp: number; readonly sint: number }
  | { readonly kind: 'eom' | 'on' | 'off'; readonly vp: number }
  | { readonly kind: 'close' | 'reopen'; readonly port: number };

const port = fc.integer({ min: 0, max: PORTS.length - 1 });
const vp = fc.integer({ min: 0, max: VPS - 1 });
const sint = fc.constantFrom(...SINTS_USED);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('post' as const), port }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flood' as const), port }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('take' as const, 'empty' as const, 'eoi' as const), vp, sint }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('mask' as const, 'unmask' as const), vp, sint }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('eom' as const, 'on' as const, 'off' as const), vp }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'reopen' as const), port }) },
);

const payloadOf = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

const run = (actions: readonly Action[]): void => {
  const rig = new Rig();
  const model = new Model();
  let sequence = 0;
  const post = (index: number): void => {
    const spec = PORTS[index];
    const value = ++sequence;
    const target = model.target(spec.vp);
    const expected = !model.open.has(spec.id)
      ? HvStatus.INVALID_PORT_ID
      : target < 0
        ? HvStatus.INVALID_SYNIC_STATE
        : model.waitingOf(spec.id) === PORT_BUFFERS
          ? HvStatus.INSUFFICIENT_BUFFERS
          : HvStatus.SUCCESS;
    const status = rig.directory.post(spec.id, 1, payloadOf(value));
    if (status !== expected) throw new Error(`post to port ${spec.id}: status ${status}, expected ${expected}`);
    if (status !== HvStatus.SUCCESS) return;
    model.at(target, spec.sint).queue.push({ port: spec.id, value });
    model.deliver(target, spec.sint);
  };
  /** As a guest reads its slot; without `careful` it does not look whether another message waits. */
  const take = (index: number, source: number, careful: boolean): void => {
    const slot = rig.slot(index, source);
    const place = model.at(index, source);
    if (rig.word(slot) === 0) return;
    place.slot = undefined;
    rig.views.i32[slot >>> 2] = 0;
    if (!careful || (rig.word(slot + Message.SIZE) & MESSAGE_PENDING_WORD) === 0) return;
    rig.directory.synic.endOfMessage(index);
    for (const each of SINTS_USED) model.deliver(index, each);
  };
  const act = (step: Action): void => {
    switch (step.kind) {
      case 'post':
        post(step.port);
        break;
      case 'flood':
        for (let n = 0; n < PORT_BUFFERS + 3; n++) post(step.port);
        break;
      case 'take':
        take(step.vp, step.sint, true);
        break;
      case 'empty':
        take(step.vp, step.sint, false);
        break;
      case 'eoi':
        rig.directory.synic.endOfInterrupt(step.vp, vectorOf(step.sint));
        model.deliver(step.vp, step.sint);
        break;
      case 'mask':
      case 'unmask': {
        const masked = step.kind === 'mask';
        if (masked) model.masked.add(step.vp * 16 + step.sint);
        else model.masked.delete(step.vp * 16 + step.sint);
        rig.sint(step.vp, step.sint, vectorOf(step.sint) | (masked ? Sint.MASKED : 0));
        for (const each of SINTS_USED) model.deliver(step.vp, each);
        break;
      }
      case 'eom':
        rig.directory.synic.endOfMessage(step.vp);
        for (const each of SINTS_USED) model.deliver(step.vp, each);
        break;
      case 'on':
      case 'off':
        model.enabled[step.vp] = step.kind === 'on';
        rig.enable(step.vp, step.kind === 'on');
        for (const each of SINTS_USED) model.deliver(step.vp, each);
        break;
      case 'close': {
        const { id } = PORTS[step.port];
        if (rig.directory.closePort(id) !== model.open.delete(id)) throw new Error(`close of port ${id}`);
        for (const place of model.places.values()) place.queue = place.queue.filter((m) => m.port !== id);
        break;
      }
      case 'reopen': {
        const spec = PORTS[step.port];
        if (rig.directory.openPort({ ...spec, kind: PortKind.MESSAGE }) === model.open.has(spec.id))
          throw new Error(`open of port ${spec.id}`);
        model.open.add(spec.id);
      }
    }
  };
  for (const step of actions) {
    act(step);
    compare(rig, model);
  }
};

const compare = (rig: Rig, model: Model): void => {
  for (let vp = 0; vp < VPS; vp++) {
    for (const sint of SINTS_USED) {
      const place = model.at(vp, sint);
      const slot = rig.slot(vp, sint);
      const where = `VP ${vp} SINT ${sint}`;
      const got = rig.word(slot) === 0 ? undefined : rig.word(slot + Message.PAYLOAD);
      if (got !== place.slot?.value) throw new Error(`${where}: message ${got} in the slot, expected ${place.slot?.value}`);
      if (got !== undefined && rig.word(slot + Message.ORIGIN) !== place.slot?.port) throw new Error(`${where}: a message of another port`);
      const told = (rig.word(slot + Message.SIZE) & MESSAGE_PENDING_WORD) !== 0;
      if (got !== undefined && told !== place.told) throw new Error(`${where}: pending is ${told}, expected ${place.told}`);
      const depth = rig.word(synicAt(vp) + AT.depths + sint * 4);
      if (depth !== place.queue.length) throw new Error(`${where}: ${depth} messages wait, expected ${place.queue.length}`);
      const waiting = ((rig.word(synicAt(vp) + AT.waiting) >>> sint) & 1) !== 0;
      if (waiting !== depth > 0) throw new Error(`${where}: ${depth} messages wait, and the bit says ${waiting}`);
      const raised = rig.interrupts.filter((i) => i.vp === vp && i.vector === vectorOf(sint)).length;
      if (raised !== place.raised) throw new Error(`${where}: ${raised} interrupts, expected ${place.raised}`);
    }
  }
  const used = Array.from({ length: 8 }, (_, index) => PORT_BUFFERS - rig.free(index)).reduce((sum, n) => sum + n, 0);
  const waiting = [...model.places.values()].reduce((sum, { queue }) => sum + queue.length, 0);
  if (used !== waiting) throw new Error(`${used} buffers are used for ${waiting} messages`);
};

test('messages come in the order of their port, once each, and where one waits the reader of the slot is told', (t) => {
  t.notThrows(() => fc.assert(fc.property(fc.array(action, { maxLength: 80 }), run), { numRuns: 300 }));
});

test('a reader that scribbles over its page harms only its own messages', (t) => {
  const scribble = fc.record({ offset: fc.integer({ min: 0, max: 1023 }), value: fc.integer() });
  const hostile = fc.array(fc.oneof(fc.record({ post: port }), fc.record({ scribble }), fc.record({ eom: fc.constant(true) })), {
    maxLength: 200,
  });
  t.notThrows(() =>
    fc.assert(
      fc.property(hostile, (steps) => {
        const rig = new Rig();
        const i32 = rig.views.i32;
        for (const step of steps) {
          if ('post' in step) rig.directory.post(PORTS[step.post].id, 1, payloadOf(7));
          else if ('scribble' in step) i32[(PartitionMap.RAM >>> 2) + step.scribble.offset] = step.scribble.value;
          else rig.directory.synic.endOfMessage(0);
          for (let sint = 0; sint < 16; sint++)
            if (rig.word(synicAt(0) + AT.depths + sint * 4) > 2 * PORT_BUFFERS) throw new Error('more waits than there are buffers');
        }
        // VP 1 has not been touched: it gets what is sent to it.
        rig.enable(1, true);
        i32[rig.slot(1, 5) >>> 2] = 0;
        rig.directory.synic.rescan(1);
        const before = rig.word(portAt(2) + PortLayout.at.accepted);
        if (rig.directory.post(3, 1, payloadOf(9)) === HvStatus.SUCCESS && rig.word(portAt(2) + PortLayout.at.accepted) !== before + 1)
          throw new Error('the message of another VP was not counted');
        // Once the page is read as it should be, everything that waits comes out.
        for (let n = 0; n < 4 * PORT_BUFFERS; n++) {
          for (let sint = 0; sint < 16; sint++) for (const vp of [0, 1]) i32[rig.slot(vp, sint) >>> 2] = 0;
          for (const vp of [0, 1]) rig.directory.synic.endOfMessage(vp);
        }
        for (let index = 0; index < PORTS.length; index++)
          if (rig.free(index) !== PORT_BUFFERS) throw new Error(`port ${index} has lost buffers`);
      }),
      { numRuns: 200 },
    ),
  );
});

test('with synic.pending=always every message says that another waits', (t) => {
  const rig = new Rig();
  rig.always = true;
  t.is(rig.directory.post(1, 1, payloadOf(1)), HvStatus.SUCCESS);
  t.truthy(rig.word(rig.slot(0, 2) + Message.SIZE) & MESSAGE_PENDING_WORD);
});

test('what stood in a buffer before is not part of a shorter message', (t) => {
  const rig = new Rig();
  rig.directory.post(1, 1, new Uint8Array(240).fill(0xee));
  rig.directory.post(1, 1, new Uint8Array(240).fill(0xee));
  const slot = rig.slot(0, 2);
  for (let n = 0; n < 2; n++) {
    rig.views.i32[slot >>> 2] = 0;
    rig.directory.synic.endOfMessage(0);
  }
  rig.views.u8.fill(0, slot, slot + Message.BYTES);
  rig.directory.post(1, 1, Uint8Array.of(1, 2, 3, 4, 5));
  t.is(rig.word(slot + Message.PAYLOAD), 0x0403_0201);
  t.is(rig.word(slot + Message.PAYLOAD + 4), 5);
  t.is(rig.word(slot + Message.PAYLOAD + 8), 0);
});
