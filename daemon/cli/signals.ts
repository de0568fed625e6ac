// SIGINT and SIGTERM ask once for an orderly end; the second time there is no more asking.

/** Calls `end` at the first signal. Returns the way to stop listening. */
export const onSignal = (end: (signal: NodeJS.Signals) => void): (() => void) => {
  let asked = false;
  const handle = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(130);
    asked = true;
    end(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
};
