import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Waiter } from '../src/device/waiter.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/**
 * Waits for a job again and again that takes `duration` ms, and twice as long while it is watched.
 * @returns of each time, how long the job was watched and how long it was slept on after its end
 */
async function waits(waiter: Waiter, job: object, duration: number, count: number) {
  const found: { watched: number; late: number }[] = [];
  for (let i = 0; i < count; i++) {
    const submitted = performance.now();
    let watched = 0;
    let late = 0;
    const waited = waiter.wait(job, () => {
      const left = submitted + duration - performance.now();
      watched = Math.max(0, 2 * left);
      late = Math.max(0, -left);
      return new Promise<void>((resolve) => setTimeout(resolve, watched));
    });
    await vi.advanceTimersByTimeAsync(4 * duration);
    await waited;
    found.push({ watched, late });
  }
  return found;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

it('learns to sleep through most of a job, and to wake soon after its end', async () => {
  const settled = (await waits(new Waiter(true), {}, 100, 60)).slice(20);
  expect(mean(settled.map(({ watched }) => watched))).toBeLessThan(20);
  expect(mean(settled.map(({ late }) => late))).toBeLessThan(10);
});

it('follows a job that becomes shorter or longer', async () => {
  const waiter = new Waiter(true);
  const job = {};
  await waits(waiter, job, 100, 30);
  for (const duration of [40, 150]) {
    const settled = (await waits(waiter, job, duration, 60)).slice(20);
    expect(mean(settled.map(({ watched, late }) => watched + late))).toBeLessThan(0.3 * duration);
  }
});

it('does not sleep where the device needs no core, nor through short jobs', async () => {
  for (const [waiter, duration] of [
    [new Waiter(false), 100],
    [new Waiter(true), 2],
  ] as const) {
    const found = await waits(waiter, {}, duration, 20);
    expect(found.every(({ watched }) => watched === 2 * duration)).toBe(true);
  }
});
