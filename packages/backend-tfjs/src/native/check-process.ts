import { KoraError } from '@kora-bench/core/errors';
import { requireDevice } from '../devices/devices.js';
import { openTfjs } from '../devices/open-tfjs.js';

/*
 * The child process that checks a build: multiplies two matrices on the device that its argument names and prints
 * `works: ` with the device, or why it does not.
 */
try {
  const open = await openTfjs(requireDevice(process.argv[2] ?? ''));
  const engine = open.engine();
  const matrix = (values: readonly number[]) =>
    engine.makeTensor(Float32Array.from(values), [2, 2], 'float32');
  const inputs = { a: matrix([1, 2, 3, 4]), b: matrix([5, 6, 7, 8]) };
  const product = engine.runKernel('BatchMatMul', inputs, { transposeA: false, transposeB: false });
  const received = [...(Array.isArray(product) ? product[0]! : product).dataSync()].join(', ');
  say(received === '19, 22, 43, 50' ? `works: ${open.description}` : `a wrong product: ${received}`);
} catch (error) {
  say(error instanceof KoraError ? error.explain().replaceAll('\n', ' ') : String(error));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`, () => process.exit(0));
}
