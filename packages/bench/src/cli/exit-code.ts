/** What the process ends with. */
export const exitCode = {
  done: 0,
  /** A cell failed, or data is not what it should be. */
  failed: 1,
  badInput: 2,
} as const;

/** By convention 128 and the signal's number. */
export const signalExitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
