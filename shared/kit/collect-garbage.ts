// Asks V8 for a full collection now. For the moment after a partition's memory has been dropped: a shared memory of hundreds of megabytes weighs
// nothing in V8's own accounts, so nothing else would make it look, and the host's memory would not come back.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
};
