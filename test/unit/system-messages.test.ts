// Messages on the system bus that are no vectors: ExtINT through the I/O APIC, and INIT to the boot processor of a PC that has no ROM.
import test from 'ava';
import { ExitCause, PartitionState } from '../../shared/layout/partition.js';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const { RDI } = Slot;
const DEVICE_PAGE = 0x1f_0000;
const HLT_CODE = Kernel.CODE + 0x800;
/** 8259 with vectors from 20h, IRQ 0 open; I/O APIC pin 0: ExtINT to APIC 1; counter 0 fires once. RDI: the I/O APIC. */
const START_TIMER = 'b011e620b020e621b004e621b001e621b0fee621c70711000000c7471000000001c70710000000c7471000070000b030e643b040e64031c0e640';
/** RDI: the APIC's page. INIT to APIC 0. */
const SEND_INIT = 'c7871003000000000000c7870003000000450000';

test('the 8259 reaches another VP by an ExtINT of the I/O APIC', (t) => {
  const machine = new KernelMachine('cold', 'max', 2);
  machine.pte = { page: DEVICE_PAGE, value: 0xfec0_0003n };
  machine.load(START_TIMER);
  machine.load('', HLT_CODE);
  machine.prepare(0, { flags: 0x200, registers: { [RDI]: DEVICE_PAGE } });
  machine.prepare(1, { flags: 0x200, entry: HLT_CODE });
  machine.go(true);
  const ripOf = (index: number): number => Number(machine.views.u64[(machine.vps[index].base >>> 3) + Slot.RIP]);
  t.is(ripOf(1), Kernel.HANDLERS + 0x20 + 1, 'the vector is the 8259’s');
  t.true(ripOf(0) < Kernel.HANDLERS || ripOf(0) > Kernel.HANDLERS + 256, 'VP 0 has LINT0 masked, and is not interrupted');
});

test('INIT to the boot processor ends the partition and says why', (t) => {
  const machine = new KernelMachine('cold', 'max', 2);
  machine.pte = { page: DEVICE_PAGE, value: 0xfee0_0003n };
  machine.load('', HLT_CODE);
  machine.load(SEND_INIT);
  machine.prepare(0, { entry: HLT_CODE });
  machine.prepare(1, { registers: { [RDI]: DEVICE_PAGE } });
  machine.go();
  machine.go();
  t.is(machine.header.state, PartitionState.STOPPED);
  t.is(machine.header.exitCause, ExitCause.RESET);
  const { reason } = machine.header;
  const text = new TextDecoder().decode(machine.views.u8.slice(reason, reason + 80)).replace(/\0.*/s, '');
  t.is(text, 'INIT of VP 0: there is no firmware at the reset vector');
});
