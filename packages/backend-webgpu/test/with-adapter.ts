import definition from '@kora-bench/backend-webgpu';
import { expect, test } from 'vitest';

const [probe] = await definition.probe();

/**
 * Registers tests that need a GPU or a software driver. Where there is none they are replaced by one that is
 * skipped, with the reason as its name; in CI, which should have one, by one that fails.
 */
export function withAdapter(register: () => void): void {
  if (probe!.available) {
    register();
    return;
  }
  const reason = `${probe!.detail}; fix: ${probe!.fix}`;
  if (process.env.CI) {
    test('finds an adapter', () => {
      expect.fail(`CI must have a driver for WebGPU. ${reason}`);
    });
  } else {
    const skipped = `Skipped: no WebGPU here. ${reason} Then run the tests with --force.`;
    // The reporter does not name the tests that it skipped.
    console.warn(skipped);
    test.skip(skipped);
  }
}
