import definition from '@kora-bench/backend-webgpu';
import { afterEach, expect, it } from 'vitest';
import { withAdapter } from './with-adapter.js';

const { NODE_OPTIONS } = process.env;
afterEach(() => {
  process.env.NODE_OPTIONS = NODE_OPTIONS ?? '';
});

/** Breaks the driver of the processes that are started from now on; see broken-driver.mjs. */
function breakDriver(fault: string): void {
  process.env.NODE_OPTIONS = `--import=${new URL('broken-driver.mjs', import.meta.url).href}`;
  process.env.FAULT = fault;
}

const open = () => definition.create('gpu', definition.options.parse({}));

it.each([
  ['none', 'no Vulkan driver', /Install a Vulkan driver.*bookworm-backports/],
  ['no loader', "Couldn't load Vulkan: libvulkan.so.1: no such file", /libvulkan1/],
  [
    'old',
    'a driver that is too old: Vulkan shaderUniform*ArrayDynamicIndexing required.',
    /mesa-vulkan-drivers 25 from bookworm-backports/,
  ],
  ['crashes always', 'the process was ended by SIGSEGV', /Install a Vulkan driver/],
])('says what is wrong with a driver and what helps: %s', async (fault, received, fix) => {
  breakDriver(fault);
  await expect(open()).rejects.toMatchObject({ code: 'BACKEND', received, fix: expect.stringMatching(fix) });
  const [probe] = await definition.probe();
  expect(probe).toMatchObject({ available: false, detail: expect.stringContaining(received) });
});

withAdapter(() => {
  it('does without a feature that crashes the driver when it is tried', async () => {
    breakDriver('crashes with subgroups');
    const [probe] = await definition.probe();
    expect(probe).toMatchObject({
      available: true,
      facts: {
        subgroups: expect.stringMatching(
          /^no: (the driver failed when it was tried: the process was ended by SIGSEGV|the adapter does not offer)/,
        ),
      },
    });
    const backend = await open();
    expect(backend.versions.features).not.toContain('subgroups');
    await backend.dispose();
  });
});
