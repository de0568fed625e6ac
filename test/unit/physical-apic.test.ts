import test from 'ava';
import { PhysicalApic } from '../../daemon/machine/physical-apic.js';
import { LpBlock, lpBlockAt, machineMemorySize } from '../../shared/layout/machine.js';
import { viewsOf } from '../../shared/layout/struct.js';

test('a vector sent to an LP kicks it once and is taken by priority', (t) => {
  const views = viewsOf(new SharedArrayBuffer(machineMemorySize(2)));
  const kicks: number[] = [];
  const apic = new PhysicalApic(views, (lp) => kicks.push(lp));
  const lp = new LpBlock(views, lpBlockAt(1));
  apic.send(1, 0x41);
  apic.send(1, 0x41);
  apic.send(1, 0xf0);
  t.deepEqual(kicks, [1, 1]);
  t.is(apic.take(0), -1);
  t.is(apic.take(1), 0xf0);
  t.is(apic.take(1), -1);
  apic.send(1, 0xf1);
  t.is(apic.take(1), -1, 'of the class that is in service');
  apic.eoi(1);
  t.is(apic.take(1), 0xf1);
  t.is(apic.take(1), -1);
  apic.eoi(1);
  t.is(apic.take(1), 0x41);
  apic.eoi(1);
  t.is(apic.take(1), -1);
  t.is(lp.ipisReceived, 3);
});
