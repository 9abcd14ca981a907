import definition from '@kora-bench/backend-tfjs';
import { gradients } from '@kora-bench/core/autodiff';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import {
  add,
  broadcastTo,
  crossEntropy,
  gelu,
  linear,
  matmul,
  softmax,
  sub,
  sum,
} from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { engine, memory } from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';

const create = (device = 'wasm') => definition.create(device, definition.options.parse({}));

/** One step of gradient descent on a tiny classifier with attention-like products of batches. */
function tinyStep() {
  const builder = new GraphBuilder();
  const [x, labels] = [builder.feed('x', [2, 3, 4]), builder.feed('labels', [2], 'i32')];
  const w = builder.state('w', [5, 4]);
  const mixed = matmul(softmax(matmul(x, x, { transposeB: true })), x);
  const hidden = gelu(linear(mixed, builder.frozen('v', [4, 4]), builder.frozen('b', [4])));
  const logits = linear(sum(hidden, { axes: [1] }), w);
  const loss = sum(crossEntropy(logits, labels));
  const [dw] = gradients(loss, [w]);
  return makeProgram({ loss }, { w: sub(w, dw!) });
}

const ramp = (shape: readonly number[], size: number) =>
  hostTensor(
    shape,
    Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1)),
  );

describe('a training step', () => {
  it('holds as many tensors and bytes after 1,000 steps as after the first', async () => {
    const backend = await create();
    const weights = new Map([
      ['v', ramp([4, 4], 16)],
      ['b', ramp([4], 4)],
    ]);
    const executable = await backend.compile(tinyStep(), weights);
    const state = await backend.createState({ w: ramp([5, 4], 20) });
    const feeds = { x: ramp([2, 3, 4], 24), labels: hostTensor([2], Int32Array.of(1, 4)) };
    const run = async () => (await executable.run({ feeds, state, fetch: ['loss'] })).loss!.data[0]!;
    const first = await run();
    const held = { ...memory() };
    let last = first;
    for (let step = 0; step < 1000; step++) last = await run();
    expect(memory()).toMatchObject({ numTensors: held.numTensors, numBytes: held.numBytes });
    expect(memory().numDataBuffers).toBe(held.numDataBuffers);
    expect(last).toBeLessThan(first);
    await state.dispose();
    await backend.dispose();
    expect(memory().numTensors).toBe(0);
  });

  it('brings its feeds to the engine once, and its state never back', async () => {
    const backend = await create();
    const executable = await backend.compile(
      tinyStep(),
      new Map([
        ['v', ramp([4, 4], 16)],
        ['b', ramp([4], 4)],
      ]),
    );
    const state = await backend.createState({ w: ramp([5, 4], 20) });
    const feeds = { x: ramp([2, 3, 4], 24), labels: hostTensor([2], Int32Array.of(1, 4)) };
    const [uploads, reads] = [vi.spyOn(engine(), 'makeTensor'), vi.spyOn(engine().backend, 'read')];
    await executable.run({ feeds, state });
    expect(uploads.mock.calls.map(([, shape]) => shape)).toEqual([[2, 3, 4], [2]]);
    expect(reads).not.toHaveBeenCalled();
    vi.restoreAllMocks();
    await backend.dispose();
  });
});

describe('what an engine cannot do', () => {
  it('is refused by name when the program is compiled', async () => {
    const backend = await create('cpu');
    const { getKernel, registerKernel, unregisterKernel } = await import('@tensorflow/tfjs-core');
    const erf = getKernel('Erf', 'cpu');
    unregisterKernel('Erf', 'cpu');
    try {
      const builder = new GraphBuilder();
      const y = builder.withScope('blocks.3', () => gelu(builder.feed('x', [2])));
      await expect(backend.compile(makeProgram({ y }), new Map())).rejects.toMatchObject({
        code: 'BACKEND',
        message: 'tfjs:cpu cannot compute unary in blocks.3.',
        expected: 'a kernel named Erf',
        fix: expect.any(String),
      });
    } finally {
      registerKernel(erf);
    }
  });

  it.each(['wasm', 'cpu'])(
    'memory that runs out on %s is an error with a fix, and the engine goes on',
    async (device) => {
      const backend = await create(device);
      const builder = new GraphBuilder();
      const x = builder.feed('x', [1, 1024]);
      const tooMuch = await backend.compile(
        makeProgram({ y: sum(broadcastTo(x, [2 ** 30, 1024])) }),
        new Map(),
      );
      const small = await backend.compile(makeProgram({ y: sum(add(x, 1)) }), new Map());
      const feeds = { x: hostTensor([1, 1024], new Float32Array(1024)) };
      await expect(tooMuch.run({ feeds, fetch: ['y'] })).rejects.toMatchObject({
        code: 'BACKEND',
        message: 'TensorFlow.js has no memory left.',
        fix: expect.stringMatching(/smaller batch/),
      });
      expect((await small.run({ feeds, fetch: ['y'] })).y!.data[0]).toBe(1024);
      await backend.dispose();
    },
  );
});
