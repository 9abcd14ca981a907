import type { OrtDevice } from '../devices.js';
import { reasonOf } from './engine.js';
import { trialRun } from './trial-run.js';

/*
 * The program that `tryDevice` starts: tries the device named by its argument and prints the reason
 * where it fails. A driver that crashes or hangs takes only this process with it.
 */
try {
  await trialRun(process.argv[2] as OrtDevice);
  process.stdout.write('works\n', () => process.exit(0));
} catch (error) {
  const received = (error as { received?: unknown }).received;
  process.stdout.write(`${typeof received === 'string' ? received : reasonOf(error)}\n`, () =>
    process.exit(0),
  );
}
