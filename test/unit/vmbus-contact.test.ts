// The first contact of the VMBus: what Linux 6.1 sends, and what it waits for (drivers/hv/connection.c, channel_mgmt.c).
import test from 'ava';
import { VmbusContact } from '../../daemon/hypervisor/synic/vmbus-contact.js';
import { inspectVmbus } from '../../daemon/root/synic-view.js';
import { Message, SynicMsr } from '../../shared/abi/synic.js';
import { InitiateContact, VersionResponse, VmbusMessage } from '../../shared/abi/vmbus.js';
import { parseHyperv } from '../../shared/hyperv/hyperv-choice.js';
import { writeHyperv } from '../../shared/hyperv/partition-hyperv.js';
import { SynicRig } from '../rig/synic-rig.js';

const contact = (version: number, vp = 0, sint = 2): Uint8Array => {
  const bytes = new Uint8Array(40);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VmbusMessage.INITIATE_CONTACT, true);
  view.setUint32(InitiateContact.VERSION, version, true);
  view.setUint32(InitiateContact.TARGET_VP, vp, true);
  view.setUint8(InitiateContact.SINT, sint);
  return bytes;
};
const only = (type: number): Uint8Array => new Uint8Array(Uint32Array.of(type, 0).buffer);

const bus = (): { rig: SynicRig; vmbus: VmbusContact; answer: (vp: number, sint?: number) => DataView | undefined } => {
  const rig = new SynicRig().ready(0).ready(1);
  for (const vp of [0, 1]) rig.registers.write(vp, SynicMsr.SINT0 + 2, 0xf3n);
  const answer = (vp: number, sint = 2): DataView | undefined => {
    if (rig.slotType(vp, sint) !== 1) return undefined;
    const payload = new DataView(
      rig.payload(vp, sint).buffer.slice(rig.slot(vp, sint) + Message.PAYLOAD, rig.slot(vp, sint) + Message.BYTES),
    );
    rig.emptySlot(vp, sint);
    rig.registers.write(vp, SynicMsr.EOM, 0n);
    return payload;
  };
  return { rig, vmbus: new VmbusContact(rig.directory), answer };
};

test('contact, offers, unload: each has its answer, at the VP that was named', (t) => {
  const { vmbus, answer, rig } = bus();
  vmbus.take(1, contact(0x5_0003, 1));
  const version = answer(1);
  t.is(version?.getUint32(0, true), VmbusMessage.VERSION_RESPONSE);
  t.is(version?.getUint8(VersionResponse.SUPPORTED), 1);
  t.is(version?.getUint8(VersionResponse.STATE), 0);
  t.is(version?.getUint32(VersionResponse.CONNECTION, true), 4);
  t.is(rig.directory.header.vmbusVersion, 0x5_0003);
  vmbus.take(1, only(VmbusMessage.REQUEST_OFFERS));
  t.is(answer(1)?.getUint32(0, true), VmbusMessage.ALL_OFFERS_DELIVERED);
  vmbus.take(1, only(VmbusMessage.UNLOAD));
  t.is(answer(1)?.getUint32(0, true), VmbusMessage.UNLOAD_RESPONSE);
  t.is(rig.directory.header.vmbusVersion, 0);
  t.is(answer(0), undefined);
  t.true(rig.interrupts.every(({ vp, vector }) => vp === 1 && vector === 0xf3));
});

test('a version that nobody knows is refused, and the guest may try the next one', (t) => {
  const { vmbus, answer } = bus();
  vmbus.take(1, contact(0x7_0000));
  t.is(answer(0)?.getUint8(VersionResponse.SUPPORTED), 0);
  vmbus.take(1, contact(0x4_0000, 0, 0));
  t.is(answer(0)?.getUint8(VersionResponse.SUPPORTED), 1);
});

test('messages that make no sense, and VPs that do not exist, have no answer', (t) => {
  const { vmbus, answer } = bus();
  vmbus.take(1, contact(0x5_0003, 77));
  vmbus.take(1, contact(0x5_0003, 0xffff_ffff));
  vmbus.take(1, contact(0x5_0003, 0).subarray(0, 12));
  vmbus.take(2, contact(0x5_0003, 0));
  vmbus.take(1, only(99));
  vmbus.take(1, new Uint8Array(0));
  t.is(answer(0), undefined);
  t.is(answer(1), undefined);
});

test('an operator sees what was agreed on, what was refused, and whether there is a bus at all', (t) => {
  const { vmbus, rig } = bus();
  t.is(inspectVmbus(rig.views), null);
  writeHyperv(rig.views, parseHyperv('linux'));
  t.deepEqual(inspectVmbus(rig.views), { version: null, refused: 0 });
  vmbus.take(1, contact(0x7_0000));
  vmbus.take(1, contact(0x5_0003));
  t.deepEqual(inspectVmbus(rig.views), { version: '5.3', refused: 1 });
  vmbus.take(1, only(VmbusMessage.UNLOAD));
  t.deepEqual(inspectVmbus(rig.views), { version: null, refused: 1 });
});
