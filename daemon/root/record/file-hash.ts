// SHA-256 of a file of the host, however long: piece by piece.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

const PIECE = 1 << 20;

/** Throws what the host says when the file cannot be read. */
export const hostFileHash = (file: string): string => {
  const fd = openSync(file, 'r');
  try {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(PIECE);
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece)) hash.update(piece.subarray(0, got));
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
};
