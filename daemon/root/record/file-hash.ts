// SHA-256 of a file of the host, however long, or of its first bytes: piece by piece.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

const PIECE = 1 << 20;

/** Throws what the host says when the file cannot be read. */
export const hostFileHash = (file: string, bytes = Number.POSITIVE_INFINITY): string => {
  const fd = openSync(file, 'r');
  try {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(PIECE);
    for (let rest = bytes; rest > 0; ) {
      const got = readSync(fd, piece, 0, Math.min(PIECE, rest), null);
      if (got === 0) break;
      hash.update(piece.subarray(0, got));
      rest -= got;
    }
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
};
