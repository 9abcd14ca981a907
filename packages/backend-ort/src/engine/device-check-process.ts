import { BackendError } from '@kora-bench/core/errors';
import { OnnxGraph } from '../onnx/onnx-graph.js';
import { encodeModel } from '../onnx/onnx-schema.js';
import type { OrtDevice } from './engine.js';
import { loadEngine, reasonOf } from './engine.js';
import { ortOptions } from './options.js';
import { openSession } from './session.js';

/*
 * The child process that `probeDevice` starts: checks the device that its argument names and prints `works`,
 * or why it does not.
 */
try {
  await checkDevice(process.argv[2] as OrtDevice);
  process.stdout.write('works\n', () => process.exit(0));
} catch (error) {
  const received = (error as { received?: unknown }).received;
  process.stdout.write(`${typeof received === 'string' ? received : reasonOf(error)}\n`, () =>
    process.exit(0),
  );
}

/**
 * Loads the engine, runs one addition on `device` and compares the result.
 * @throws BackendError when any of that fails
 */
async function checkDevice(device: OrtDevice): Promise<void> {
  const engine = await loadEngine();
  const graph = new OnnxGraph();
  const x = graph.input('x', 'f32', [4]);
  graph.node('Add', [x, x], { name: 'y' });
  graph.output('y', 'f32', [4]);
  const model = encodeModel(graph.model());
  const session = await openSession(engine, { model }, device, ortOptions.parse({ threads: 1 }));
  const { y } = await session.run({ x: new engine.Tensor('float32', Float32Array.of(1, 2, 3, 4), [4]) });
  const received = Array.from(y!.data as Float32Array);
  await session.release();
  if (received.join() === '2,4,6,8') return;
  throw new BackendError(`onnxruntime computes wrong results on ${device}.`, {
    expected: '2, 4, 6, 8',
    received: received.join(', '),
  });
}
