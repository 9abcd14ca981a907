import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { main } from '@kora-bench/bench/cli';
import { findChromium, noChromium } from '@kora-bench/testing/chromium';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveSite } from '../src/dashboard/serve-site.js';
import { temporaryFolder } from './fake-run.js';
import { images, recordedRun } from './recorded-run.js';

/** A machine of CI has all that the tests need; elsewhere a test that lacks something is skipped. */
const required = process.env['CI'] === 'true';
const program = findChromium();
const skipped = program === undefined && !required;

const nights = 14;
const labels = ['lora', 'full', 'bitfit'];

describe.skipIf(skipped)(skipped ? `the pages (skipped: ${noChromium})` : 'the pages', () => {
  let browser: Browser;
  let site: string;
  let run: string;
  const opened: Page[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    if (program === undefined) throw new Error(`CI is set, but ${noChromium}.`);
    const history = join(temporaryFolder(), 'history');
    const runs = Array.from({ length: nights }, (_, night) =>
      recordedRun(
        labels.map((label, i) => ({
          label,
          correct: images(400, (image) => image % 10 < 2 + i + (night >= 8 && i === 0 ? 2 : 0)),
          imagesPerSecond: 100 * (i + 1) + (night % 3),
          trainableParameters: 10 ** (3 + i),
          startedAt: `2026-02-${String(night + 1).padStart(2, '0')}T00:00:00.000Z`,
          commit: night.toString(16).repeat(40),
        })),
      ),
    );
    run = runs.at(-1)!;
    site = join(temporaryFolder(), 'site');
    expect(await main(['history', 'add', ...runs, '--history', history])).toBe(0);
    expect(await main(['dashboard', history, run, '--out', site])).toBe(0);
    expect(await main(['report', run])).toBe(0);
    // Chromium's own sandbox does not work for root, as which containers run.
    browser = await chromium.launch({ executablePath: program, chromiumSandbox: false });
  });

  afterAll(async () => {
    await Promise.all(opened.map((page) => page.close()));
    await browser?.close();
  });

  async function open(address: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await browser.newPage(options);
    opened.push(page);
    page.on('console', (message) => complaints.push(`${address}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`${address}: ${error}`));
    await page.goto(address);
    return page;
  }
  const address = (path: string) => {
    const [file, hash] = path.split('#');
    return `${pathToFileURL(join(site, file!))}${hash === undefined ? '' : `#${hash}`}`;
  };
  const firstColumn = (page: Page, table: string) =>
    page
      .locator(`#${table} tbody tr:visible td:first-child`)
      .allTextContents()
      .then((texts) => texts.map((text) => text.trim()));

  test('every page opens from a file, wide, narrow, light and dark, and complains of nothing', async () => {
    const pages = readdirSync(site, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.html'));
    // Five of the site, one of the run, one for each cell.
    expect(pages).toHaveLength(6 + labels.length);
    for (const path of pages) {
      const page = await open(address(path), { colorScheme: 'dark', viewport: { width: 390, height: 800 } });
      const seen = () =>
        page.evaluate(() => ({
          heading: document.querySelector('h1')?.textContent,
          wide: document.documentElement.scrollWidth > innerWidth,
          background: getComputedStyle(document.body).backgroundColor,
          unnamed: [...document.querySelectorAll('button, a, input, select, summary')]
            .filter((one) => !one.closest('[hidden]'))
            .filter(
              (one) =>
                !(one.textContent ?? '').trim() &&
                !one.getAttribute('aria-label') &&
                !(one as HTMLInputElement).labels?.length,
            ).length,
          images: [...document.images].every((image) => image.alt !== ''),
        }));
      const dark = await seen();
      expect(dark).toMatchObject({
        heading: expect.stringMatching(/./),
        wide: false,
        unnamed: 0,
        images: true,
      });
      await page.getByRole('button', { name: 'Use light colours' }).click();
      expect((await seen()).background).not.toBe(dark.background);
    }
    expect(complaints).toEqual([]);
  });

  test('the first page says what changed and leads to its series', async () => {
    const page = await open(address('index.html'));
    const shift = page.locator('.changes li', { hasText: 'source top-1 of lora fell from 80.0 % to 60.0 %' });
    await shift.getByRole('link').click();
    await page.locator('#plot canvas').waitFor();
    expect(await page.locator('#plot h2').textContent()).toBe('source top-1');
    expect(await page.locator('#plot .shifts').textContent()).toContain(
      '80.0 % to 60.0 % (-25.0 %) at 8888888888',
    );
  });

  test('a table is sorted by its headings and filtered, and the address keeps both', async () => {
    const page = await open(address('methods.html'));
    expect(await firstColumn(page, 'methods')).toEqual(['bitfit', 'full', 'lora']);
    const tuned = page.locator('#methods').getByRole('button', { name: 'tuned' });
    await tuned.click();
    const heading = page.locator('#methods th', { hasText: 'tuned' });
    expect(await heading.getAttribute('aria-sort')).toBe('descending');
    await tuned.click();
    expect(await heading.getAttribute('aria-sort')).toBe('ascending');
    expect(await firstColumn(page, 'methods')).toEqual(['lora', 'full', 'bitfit']);
    const shown = (of: Page) => expect.poll(() => firstColumn(of, 'methods'));
    await page.getByLabel('Filter').fill('l');
    await shown(page).toEqual(['lora', 'full']);
    await page.getByLabel('Filter').fill('lo');
    await shown(page).toEqual(['lora']);
    const again = await open(page.url());
    await shown(again).toEqual(['lora']);
    await again.getByLabel('Filter').fill('');
    await shown(again).toEqual(['lora', 'full', 'bitfit']);
  });

  test('charts are drawn, have their numbers as a table, and links show what is chosen in them', async () => {
    const page = await open(
      address('methods.html#at=source-test-top1-pareto&source-test-top1-pareto.cost=time'),
    );
    const chart = page.locator('#source-test-top1-pareto');
    await chart.locator('svg').waitFor();
    expect(await chart.getAttribute('class')).toContain('here');
    expect(await chart.locator('[aria-pressed=true]').textContent()).toBe('time');
    expect(await chart.locator('svg').getAttribute('aria-label')).toContain('source top-1');
    expect(await chart.locator('svg').textContent()).toContain('lora');
    await chart.getByRole('button', { name: 'memory' }).click();
    expect(page.url()).toContain('cost=memory');
    await chart.getByText('Numbers').click();
    expect(await chart.locator('tbody tr').count()).toBe(labels.length);
  });

  test('series: filters, several in one plot, moved through by keys', async () => {
    const page = await open(address('series.html'));
    const cards = page.locator('.cards article');
    const all = await cards.count();
    await page.getByLabel('Filter', { exact: true }).fill('lora top-1');
    await expect.poll(() => cards.count()).toBe(1);
    await cards.first().getByRole('checkbox').check();
    await page.getByLabel('Filter', { exact: true }).fill('full top-1');
    await expect.poll(() => cards.first().getAttribute('aria-label')).toContain('full');
    await cards.first().getByRole('checkbox').check();
    await expect.poll(() => page.locator('#plot h2').textContent()).toBe('2 series');
    await page.locator('.time-plot').focus();
    for (let step = 0; step <= 8; step++) await page.keyboard.press('ArrowRight');
    const tip = await page.locator('.tip').textContent();
    expect(tip).toContain('60.0 %');
    expect(tip).toContain('70.0 %');
    expect(tip).toContain('9 Feb 2026, 8888888888');
    const again = await open(page.url());
    await expect.poll(() => again.locator('#plot h2').textContent()).toBe('2 series');
    await again.getByLabel('Filter', { exact: true }).fill('');
    await again.getByLabel('only what shifts or drifts').check();
    await expect.poll(() => again.locator('.cards article').count()).toBeLessThan(all);
    await again.getByText('All results').click();
    await expect.poll(() => again.locator('#plot tbody tr').count()).toBe(2 * nights);
  });

  test('report.html is one file with the same charts and tables', async () => {
    const page = await open(pathToFileURL(join(run, 'report.html')).href);
    await page.locator('figure.chart svg').first().waitFor();
    await page.locator('#costs').getByRole('button', { name: 'tuned %' }).click();
    expect(await page.locator('#costs th[aria-sort]').count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  test('bench serve: an open page shows a new result and keeps what was unfolded', async () => {
    const live = recordedRun(labels.map((label) => ({ label, correct: images(40) })));
    const record = join(live, 'records', 'bitfit-s0.json');
    const text = readFileSync(record, 'utf8');
    rmSync(record);
    const served = await serveSite([{ kind: 'run', path: live }], 0);
    try {
      const page = await open(`${served.url}runs.html`);
      await page.locator('#runs a').click();
      await page.locator('#live[data-state=live]').waitFor();
      expect(await page.locator('main').textContent()).toContain('2 of 3 cells are there');
      await page.getByText('Single cells of source').click();
      writeFileSync(record, text);
      await page.locator('progress').waitFor({ state: 'detached' });
      expect(await page.locator('#phase-source-results tbody tr').count()).toBe(labels.length);
      expect(await page.locator('details[open]', { hasText: 'Single cells of source' }).count()).toBe(1);
      await page.close();
    } finally {
      await served.close();
    }
    expect(complaints.filter((text) => !text.includes('ERR_'))).toEqual([]);
  });
});
