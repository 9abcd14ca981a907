import definition from '@kora-bench/backend-webgpu';
import type { HostTensor } from '@kora-bench/core';
import { hostTensor } from '@kora-bench/core';
import { expect, it } from 'vitest';
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
