// A process that does cells, one after the other, as they come from its parent: a new process for each would load hvd anew each time.
import type { Cell } from './matrix.js';
import { runCell } from './run-cell.js';

process.on('message', (cell: Cell) => {
  void runCell(cell).then((result) => process.send?.(result));
});
// The parent is gone: so is who wants results.
process.on('disconnect', () => process.exit(0));
