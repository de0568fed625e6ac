// Stores to guest page tables by neither a processor nor a device's DMA: output of hypercalls, and the jobs that the daemon writes. The next flush finds them, while translations
// outlive it; without the gate's word to the vTLB they would stay unseen. (Devices: test/property/virtio-rings and the scenario 'store of a device to a tracked table'.)
import test from 'ava';
import { Vtlb } from '../../daemon/hypervisor/vtlb/vtlb.js';
import { HV_PARTITION_SELF, HvCall, HvStatus } from '../../shared/abi/hyperv.js';
import { jobEntryAt } from '../../shared/layout/job-page.js';
import { Slot } from '../../shared/layout/vp.js';
import { control, HypercallPages, HypervGuest } from '../rig/hyperv-guest.js';
import { Kernel } from '../rig/kernel-machine.js';

const PF = 14;
const PAGE = 0x5_0000;
const ENTRY = Kernel.PAGE_TABLE + (PAGE >>> 12) * 8;
/** MOV R9, [RSI] */
const READ = '4c8b0e';
/** MOV R10, CR3 and back */
const RELOAD = '410f20da410f22da';
const CONTENTS = 0x1234_5678n;
/** What VP 1's number is as an entry: present, frame 0. */
const FRAME_0 = 0x4321n;

/** The guest has used the page, and switches have come and gone: its table is tracked, and nothing is marked. */
const trackedGuest = (): HypervGuest => {
  const g = new HypervGuest('cold', 'all', 2).enable();
  const { machine } = g;
  for (const [name, value] of Object.entries({ 'vtlb.tags': '64', 'vtlb.track': 'mapping', 'vtlb.untracked': '0' }))
    machine.policy(name, value);
  machine.views.u64[machine.host(PAGE) >>> 3] = CONTENTS;
  machine.views.u64[machine.host(0) >>> 3] = FRAME_0;
  for (let n = 0; n < 3; n++) readAfterReload(g, READ + RELOAD);
  return g;
};
const readAfterReload = ({ machine }: HypervGuest, before = ''): { vector: number; value: bigint } => {
  machine.load(before + RELOAD + READ);
  const { vector, registers } = machine.run({ registers: { [Slot.RSI]: PAGE } });
  return { vector, value: registers[9] };
};
/** GetVpIndexFromApicId, whose output is the entry. */
const askForVp = (g: HypervGuest, apicId: number): number => {
  const self = Number(HV_PARTITION_SELF & 0xffff_ffffn);
  g.input(self, Number(HV_PARTITION_SELF >> 32n), 0, 0, apicId, 0);
  return g.call(control(HvCall.GET_VP_INDEX_FROM_APIC_ID, { reps: 1 }), HypercallPages.INPUT, ENTRY).status;
};
const assignJob = ({ machine: { guest } }: HypervGuest): void =>
  guest.assignJob({ area: ENTRY - jobEntryAt(0), vps: [0], job: 0, parameters: [] });

test.serial('output of a hypercall that takes a page-table entry away is found by the next MOV CR3', (t) => {
  const g = trackedGuest();
  t.deepEqual(readAfterReload(g), { vector: -1, value: CONTENTS });
  t.is(askForVp(g, 0), HvStatus.SUCCESS);
  t.is(readAfterReload(g).vector, PF);
});

test.serial('output of a hypercall that changes a page-table entry is found by the next MOV CR3', (t) => {
  const g = trackedGuest();
  t.is(askForVp(g, 1), HvStatus.SUCCESS);
  t.deepEqual(readAfterReload(g), { vector: -1, value: FRAME_0 });
});

test.serial('a job that is written where the guest has a page table is found by the next MOV CR3', (t) => {
  const g = trackedGuest();
  assignJob(g);
  t.is(readAfterReload(g).vector, PF);
});

test.serial('the vTLB would not find either if the gate did not tell it', (t) => {
  const { beginStore, endStore } = Vtlb.prototype;
  Object.assign(Vtlb.prototype, { beginStore: () => undefined, endStore: () => undefined });
  try {
    for (const write of [(g: HypervGuest) => void askForVp(g, 0), assignJob]) {
      const g = trackedGuest();
      write(g);
      t.deepEqual(readAfterReload(g), { vector: -1, value: CONTENTS });
    }
  } finally {
    Object.assign(Vtlb.prototype, { beginStore, endStore });
  }
});
