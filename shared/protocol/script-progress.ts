// How far a load script is, as who plays it tells the daemon, and the daemon everybody else.

/** `stopped`: whoever played it has ended it, or is gone. */
export type ScriptState = 'running' | 'passed' | 'failed' | 'stopped';

export interface ScriptProgress {
  name: string;
  state: ScriptState;
  phase: string;
  /** Number of the phase and of its step, from 1, and how many there are. */
  index: number;
  phases: number;
  step: number;
  steps: number;
  /** Of the phase, as far as it has come and all of it: seconds of the machine's time. */
  seconds: number;
  length: number;
  /** How many hold, do not hold, and are still to come. */
  assertions: { holds: number; fails: number; left: number };
  /** The newest that do not hold. */
  failures: string[];
}

/** Texts of `failures`, and characters of each. */
export const FAILURES_MAX = 4;
export const FAILURE_TEXT_MAX = 200;

const seconds = (value: number): string => (value >= 1 ? `${value.toFixed(1)} s` : `${(value * 1e3).toFixed(1)} ms`);

/** `phase on (2 of 4), step 3 of 10, 1.2 s of 2.0 s; assertions: 3 hold, 1 fails, 2 to come`. */
export const scriptText = ({ state, phase, index, phases, step, steps, seconds: done, length, assertions }: ScriptProgress): string => {
  const { holds, fails, left } = assertions;
  const told = [
    ...(holds > 0 ? [`${holds} ${holds === 1 ? 'holds' : 'hold'}`] : []),
    ...(fails > 0 ? [`${fails} ${fails === 1 ? 'fails' : 'fail'}`] : []),
    ...(left > 0 ? [`${left} to come`] : []),
  ].join(', ');
  const where = `phase ${phase} (${index} of ${phases})${steps === 1 ? '' : `, step ${step} of ${steps}`}, ${seconds(done)} of ${seconds(length)}`;
  return `${state === 'running' ? where : state === 'stopped' ? `stopped in ${where}` : state}${told === '' ? '' : `; assertions: ${told}`}`;
};
