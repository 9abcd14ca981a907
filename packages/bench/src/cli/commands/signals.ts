import { printMessage, signalExitCodes } from './output.js';

/** Signals that a command waits for. */
export interface Interruption {
  /** Fires at the first one. */
  readonly signal: AbortSignal;
  received(): keyof typeof signalExitCodes | undefined;
  /** Stops waiting. */
  end(): void;
}

/** The first signal ends the work in order; a second one ends this process at once. */
export function watchSignals(): Interruption {
  const controller = new AbortController();
  let received: keyof typeof signalExitCodes | undefined;
  const names = Object.keys(signalExitCodes) as (keyof typeof signalExitCodes)[];
  const listeners = names.map((name) => {
    const listener = () => {
      if (received !== undefined) process.exit(signalExitCodes[name]);
      received = name;
      printMessage('Stopping; once more to stop at once.');
      controller.abort();
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    received: () => received,
    end: () => {
      for (const { name, listener } of listeners) process.off(name, listener);
    },
  };
}

/** Runs a command's work, which a signal ends in order. */
export async function interruptible(work: (interruption: Interruption) => Promise<number>): Promise<number> {
  const interruption = watchSignals();
  try {
    const code = await work(interruption);
    const signal = interruption.received();
    return signal === undefined ? code : signalExitCodes[signal];
  } catch (error) {
    const signal = interruption.received();
    if (signal === undefined) throw error;
    return signalExitCodes[signal];
  } finally {
    interruption.end();
  }
}
