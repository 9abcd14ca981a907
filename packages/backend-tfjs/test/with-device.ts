import definition from '@kora-bench/backend-tfjs';
import { expect, test } from 'vitest';

const probes = await definition.probe();

/**
 * Registers tests that need a device that not every machine has. Where it is missing they are replaced by one that
 * is skipped, with the reason as its name; in CI, which should have it, by one that fails.
 */
export function withDevice(device: string, register: () => void): void {
  const probe = probes.find((one) => one.device === device)!;
  if (probe.available) {
    register();
    return;
  }
  const reason = `${probe.detail}; fix: ${probe.fix}`;
  if (process.env.CI) {
    test(`finds tfjs:${device}`, () => {
      expect.fail(`CI must have it. ${reason}`);
    });
  } else {
    const skipped = `Skipped: no tfjs:${device} here. ${reason} Then run the tests with --force.`;
    // The reporter does not name the tests that it skipped.
    console.warn(skipped);
    test.skip(skipped);
  }
}
