// Where the control socket is when nobody says: one place for daemon and clients.
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** `$XDG_RUNTIME_DIR/hvd.sock`, or `hvd-<uid>.sock` in the temp folder. */
export const defaultSocket = (env: Readonly<Record<string, string | undefined>> = process.env): string => {
  const runtime = env.XDG_RUNTIME_DIR;
  if (runtime !== undefined && runtime !== "") return join(runtime, "hvd.sock");
  return join(tmpdir(), `hvd-${userInfo().uid}.sock`);
};
