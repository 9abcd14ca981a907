/**
 * Scrolls through the series of a dashboard in Chromium, without a window, and prints how long its frames took and what
 * drawing cost. Without a GPU everything is drawn by the CPU, so frames depend on how busy the machine is.
 *
 *     node packages/dashboard/bench/synthetic-history.mjs large-history
 *     node packages/bench/bin/kora-bench.js dashboard large-history --out large-site
 *     node packages/dashboard/bench/scrolling.mjs large-site 60     # pixels a frame; 60 is 3,600 a second
 */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findChromium } from '@kora-bench/testing/chromium';
import { chromium } from 'playwright-core';

const [site, step = '60'] = process.argv.slice(2);
if (site === undefined) throw new Error('Name the folder of a dashboard.');
const browser = await chromium.launch({ executablePath: findChromium(), chromiumSandbox: false });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.addInitScript(() => {
  globalThis.tasks = [];
  new PerformanceObserver((list) =>
    globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration)),
  ).observe({ type: 'longtask', buffered: true });
});
const session = await page.context().newCDPSession(page);
// Time that the page's thread was computing, whatever else the machine does.
await session.send('Performance.enable', { timeDomain: 'threadTicks' });
const start = Date.now();
await page.goto(pathToFileURL(join(resolve(site), 'series.html')).href);
await page.locator('.cards canvas').first().waitFor();
const opened = Date.now() - start;
const before = await durations();
const measured = await page.evaluate(async (pixels) => {
  globalThis.tasks.length = 0;
  const frames = [];
  const end = document.documentElement.scrollHeight - innerHeight;
  let [most, last] = [0, performance.now()];
  for (let y = 0; y < end && frames.length < 400; y += pixels) {
    scrollTo(0, y);
    await new Promise((resolveFrame) => requestAnimationFrame(resolveFrame));
    const now = performance.now();
    frames.push(now - last);
    last = now;
    most = Math.max(most, document.querySelectorAll('.cards canvas').length);
  }
  return { frames, most, tasks: globalThis.tasks, cards: document.querySelectorAll('.cards article').length };
}, Number(step));
const after = await durations();
const sorted = measured.frames.toSorted((a, b) => a - b);
const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
console.log(`${measured.cards} series; the first is drawn after ${opened} ms`);
console.log(
  `${sorted.length} frames of ${step} pixels each: median ${quantile(0.5)} ms, 95 % ${quantile(0.95)} ms, 99 % ${quantile(0.99)} ms, longest ${quantile(1)} ms`,
);
console.log(
  `frames over 50 ms: ${sorted.filter((frame) => frame > 50).length}; long tasks: ${measured.tasks.length}`,
);
const perFrame = (name) => ((1000 * (after[name] - before[name])) / sorted.length).toFixed(1);
console.log(
  `computing per frame: ${perFrame('TaskDuration')} ms in all, of it scripts ${perFrame('ScriptDuration')} ms, styles ${perFrame('RecalcStyleDuration')} ms, layout ${perFrame('LayoutDuration')} ms; at most ${measured.most} plots at once`,
);
await browser.close();

/** Seconds by kind of work, since the page was opened. */
async function durations() {
  const { metrics } = await session.send('Performance.getMetrics');
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}
