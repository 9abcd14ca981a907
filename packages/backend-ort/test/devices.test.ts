import definition from '@kora-bench/backend-ort';
import { expect, it } from 'vitest';

it('checks each device and says why one is missing and what would help', async () => {
  const probes = await definition.probe();
  expect(probes.map(({ device }) => device)).toEqual(['cpu', 'webgpu', 'cuda']);
  expect(probes[0]).toMatchObject({ available: true });
  for (const { available, detail, fix } of probes) {
    expect(detail).not.toBe('');
    if (!available) expect(fix).toMatch(/or choose the device cpu|Install/);
  }
});

it('refuses to open a device exactly when the probe found that it is missing', async () => {
  for (const { device, available } of await definition.probe()) {
    const opened = definition.create(device, definition.options.parse({ threads: 1 }));
    if (available) await (await opened).dispose();
    else
      await expect(opened).rejects.toMatchObject({
        code: 'BACKEND',
        fix: expect.any(String),
        received: expect.any(String),
      });
  }
});

it.each([
  [{ threads: 0 }, 'threads'],
  [{ threads: 1.5 }, 'threads'],
  [{ optimization: 'fast' }, 'optimization'],
])('refuses the options %j', (options, field) => {
  const parsed = definition.options.safeParse(options);
  expect(parsed.error?.issues[0]?.path).toEqual([field]);
});

it('uses as many threads as it was given', async () => {
  const backend = await definition.create('cpu', definition.options.parse({ threads: 1 }));
  expect(backend.device).toBe('cpu (1 thread)');
  await backend.dispose();
});
