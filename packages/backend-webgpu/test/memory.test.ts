import definition from '@kora-bench/backend-webgpu';
import type { HostTensor, Program, Shape, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { mul, softmax, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';
import { create, globals } from 'webgpu';

// Dawn's null backend computes nothing, and has 512 MiB of memory.
Object.assign(globalThis, globals);
const gpu = create(['backend=null']);
Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });

it('says that the memory ran out and what it was for, and goes on with less', async () => {
  const backend = await definition.create('gpu', definition.options.parse({}));
  const large: HostTensor = hostTensor([30, 2 ** 20], new Float32Array(30 * 2 ** 20));
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const refused = backend.createState(Object.fromEntries(names.map((name) => [name, large])));
  await expect(refused).rejects.toMatchObject({
    code: 'BACKEND',
    message: 'The GPU has no memory left.',
    received: expect.stringMatching(/state "[a-f]"/),
    fix: expect.stringContaining('smaller batch'),
  });
  const state = await backend.createState({ a: large });
  expect(state.names).toEqual(['a']);
  await backend.dispose();
});

it('names the tensor that is larger than any buffer may be', async () => {
  const backend = await definition.create('gpu', definition.options.parse({}));
  const tooLarge = hostTensor([2 ** 26], new Float32Array(2 ** 26));
  await expect(backend.createState({ w: tooLarge })).rejects.toMatchObject({
    code: 'BACKEND',
    where: 'state "w"',
    expected: expect.stringContaining('at most'),
  });
  await backend.dispose();
});

/** The product of `count` values of `shape`, all of which are in memory at once, summed. */
function products(shape: Shape, count: number): Program {
  const values: Tensor[] = [new GraphBuilder().feed('x', shape)];
  while (values.length < count) values.push(softmax(values.at(-1)!));
  return makeProgram({ y: sum(values.reduce((a, b) => mul(a, b))) });
}

async function compile(program: Program, options: object = {}) {
  const backend = await definition.create('gpu', definition.options.parse(options));
  try {
    const { memory, dispatches } = await backend.compile(program, new Map());
    return { ...memory!, dispatches };
  } finally {
    await backend.dispose();
  }
}

describe('a batch that does not fit', () => {
  const mebibyte = 2 ** 20;

  it('is worked on in as few parts as the memory of the device allows', async () => {
    // Five values of 128 MiB.
    const { parts, plannedBytes } = await compile(products([8, 4 * mebibyte], 5));
    expect(parts).toBe(2);
    expect(plannedBytes).toBeGreaterThan(320 * mebibyte);
    expect(plannedBytes).toBeLessThan(380 * mebibyte);
  });

  it('is worked on in as few parts as its buffers allow', async () => {
    // 200 MiB in one buffer, of which the device allows 128.
    expect(await compile(products([4, 12.5 * mebibyte], 2))).toMatchObject({ parts: 2 });
  });

  it('is worked on in as few parts as the option allows', async () => {
    const program = products([6, 1000], 3);
    const { parts, plannedBytes, weightBytes, stateBytes, dispatches } = await compile(program);
    expect({ parts, weightBytes, stateBytes }).toEqual({ parts: 1, weightBytes: 0, stateBytes: 0 });
    expect(plannedBytes).toBeGreaterThanOrEqual(3 * 6 * 4000);
    const all = await compile(program, { memoryLimitBytes: plannedBytes });
    const less = await compile(program, { memoryLimitBytes: plannedBytes - 1 });
    const least = await compile(program, { memoryLimitBytes: 5 * 4000 + 512 });
    expect([all.parts, less.parts, least.parts]).toEqual([1, 2, 6]);
    expect(less.plannedBytes).toBeLessThan(plannedBytes);
    // The same kernels for each part.
    expect(dispatches).toBeGreaterThan(0);
    const ofPart = (least.dispatches! - less.dispatches!) / 4;
    expect(ofPart).toBeGreaterThan(0);
    expect(Number.isInteger(ofPart)).toBe(true);
  });

  it('is refused with the tensor at fault and the limit where not even one example fits', async () => {
    // 300 MiB for one example.
    await expect(compile(products([2, 75 * mebibyte], 2))).rejects.toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/The (feed "x"|value of softmax), \[1, 78643200\] is too large/),
      where: expect.stringContaining('[1, 78643200]'),
      expected: 'at most 134217728 bytes in one buffer',
      received: '314572800 bytes',
      fix: expect.any(String),
    });
    await expect(compile(products([2, 1000], 3), { memoryLimitBytes: 8000 })).rejects.toMatchObject({
      code: 'BACKEND',
      where: 'memoryLimitBytes',
      expected: 'at most 8000 bytes',
      received: expect.stringMatching(/\d+ bytes: .* the largest is the .*, \[1, 1000\] with 4000 bytes/),
      fix: expect.stringContaining('memoryLimitBytes'),
    });
  });

  it('is refused where there is no batch to split', async () => {
    const x = new GraphBuilder().feed('x', [1, 75 * mebibyte]);
    await expect(compile(makeProgram({ y: softmax(x) }))).rejects.toMatchObject({ code: 'BACKEND' });
  });
});
