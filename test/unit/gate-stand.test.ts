// LPs at the gate of the deterministic mode: nobody comes in before the one that goes is done, and whoever looks then is at the new place.
import test from 'ava';
import {
  courseOf,
  endStand,
  gateWord,
  isStanding,
  leaveGate,
  setCourse,
  standAtGate,
  standAtRest,
  standingLp,
} from '../../shared/layout/gate.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { viewsOf } from '../../shared/layout/struct.js';

const ALWAYS = (): boolean => true;
const machine = () => viewsOf(new SharedArrayBuffer(MachineLayout.size));

test('an LP whose turn it has become stands only when the one that was let go from rest is done', (t) => {
  const views = machine();
  t.true(standAtRest(views, 1, ALWAYS));
  t.false(standAtGate(views, 0, 0), 'LP 1 stands');
  t.true(isStanding(views, 1), 'and still does');
  leaveGate(views, true);
  t.false(standAtGate(views, 0, 0), 'LP 1 has been let go, and has others to tell');
  t.is(standingLp(gateWord.of(views)), undefined);
  endStand(views, () => t.false(standAtGate(views, 0, 0), 'while it tells them'));
  t.true(standAtGate(views, 0, 0));
  t.true(isStanding(views, 0));
});

test('the place is another one before the others are told, and the same after a visit that changed nothing', (t) => {
  const views = machine();
  setCourse(views, 2 ** 32 - 1);
  let told = 0;
  for (const isChanged of [true, false, true]) {
    const before = courseOf(views);
    standAtGate(views, 0, 0);
    leaveGate(views, isChanged);
    endStand(views, () => {
      told++;
      t.is(courseOf(views), before + 1);
    });
    t.is(courseOf(views), before + Number(isChanged));
  }
  t.is(told, 2);
});
