import type { TfjsDevice } from './devices.js';
import { probeHere } from './probe.js';

/* The child process that `probeInChild` starts: prints what came of opening the device that its argument names. */
const probe = await probeHere(process.argv[2] as TfjsDevice);
process.stdout.write(`${JSON.stringify(probe)}\n`, () => process.exit(0));
