import definition from '@kora-bench/backend-webgpu';
import type { Backend, Executable } from '@kora-bench/core/backend';
import type { HostTensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { mul } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { afterEach, expect, it, vi } from 'vitest';
import { globals } from 'webgpu';
import { withAdapter } from './with-adapter.js';

const { GPUAdapter, GPUBuffer } = globals as {
  GPUAdapter: { prototype: GPUAdapter };
  GPUBuffer: { prototype: GPUBuffer };
};
const x: HostTensor = hostTensor([2], Float32Array.of(1, 2));
const run = { feeds: { x }, fetch: ['y'] };

/** A backend, the device that it opened, and y = x · x compiled on it. */
async function open(options: object = {}): Promise<[Backend, GPUDevice, Executable]> {
  const requested = vi.spyOn(GPUAdapter.prototype, 'requestDevice');
  const backend = await definition.create('gpu', definition.options.parse(options));
  const device = await (requested.mock.results.at(-1)!.value as Promise<GPUDevice>);
  const feed = new GraphBuilder().feed('x', [2]);
  return [backend, device, await backend.compile(makeProgram({ y: mul(feed, feed) }), new Map())];
}

afterEach(() => vi.restoreAllMocks());

withAdapter(() => {
  it('fails a run whose device is lost, and every later one, and can be opened again', async () => {
    const [backend, device, executable] = await open();
    const state = await backend.createState({ w: x });
    const running = executable.run(run);
    device.destroy();
    const lost = { code: 'BACKEND', message: 'The GPU device was lost.', fix: expect.any(String) };
    await expect(running).rejects.toMatchObject(lost);
    await expect(executable.run(run)).rejects.toMatchObject(lost);
    await expect(state.read('w')).rejects.toMatchObject(lost);
    await expect(backend.createState({ w: x })).rejects.toMatchObject(lost);
    await backend.dispose();
    const [again, , other] = await open();
    expect([...(await other.run(run)).y!.data]).toEqual([1, 4]);
    await again.dispose();
  });

  it('fails the run in which the device reports an error', async () => {
    const [backend, device, executable] = await open();
    await executable.run(run);
    device.queue.submit([device.createCommandEncoder().finish()]);
    device.createBuffer({ size: 4, usage: 0 });
    await expect(executable.run(run)).rejects.toMatchObject({
      code: 'BACKEND',
      message: 'The GPU refused a command.',
      received: expect.not.stringContaining('\n'),
      fix: expect.any(String),
    });
    await backend.dispose();
  });

  it('gives up on a driver that hangs, and does not wait for it when it is disposed of', async () => {
    const [backend, device, executable] = await open({ timeoutSeconds: 0.2 });
    await executable.run(run);
    vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockReturnValue(new Promise(() => {}));
    const destroyed = vi.spyOn(device, 'destroy');
    await expect(executable.run(run)).rejects.toMatchObject({
      code: 'BACKEND',
      message: 'The GPU did not answer.',
      expected: 'the end of a run within 0.2 s',
      fix: expect.stringContaining('timeoutSeconds'),
    });
    await backend.dispose();
    expect(destroyed).not.toHaveBeenCalled();
  });
});
