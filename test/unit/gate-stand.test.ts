// LPs at the gate of the deterministic mode: nobody comes in before the one that goes is done, and whoever looks then is at the new place.
import test from 'ava';
import {
  areAllTold,
  courseOf,
  endStand,
  gateWord,
  isStanding,
  leaveDead,
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

test("who has a turn waits until all are told; an LP that has died meanwhile is in nobody's way", (t) => {
  const views = machine();
  t.true(areAllTold(views, 0));
  standAtRest(views, 1, ALWAYS);
  leaveGate(views, true);
  t.false(areAllTold(views, 0));
  leaveDead(views, 0);
  t.false(areAllTold(views, 0), 'another has died');
  leaveDead(views, 1);
  t.true(areAllTold(views, 0));
});
