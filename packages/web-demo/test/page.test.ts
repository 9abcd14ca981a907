import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { referenceBackend } from '@kora-bench/backend-reference';
import webgpu from '@kora-bench/backend-webgpu';
import type { Backend } from '@kora-bench/core/backend';
import { vitMicroFolder } from '@kora-bench/models';
import { findChromium, noChromium } from '@kora-bench/testing/chromium';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PageResult } from '../src/page/result.js';
import { readBackbone } from '../src/training/backbone.js';
import { steps } from '../src/training/recipe.js';
import { trainRecipe } from '../src/training/train-recipe.js';
import type { ServedPage } from './serve-page.js';
import { servePage } from './serve-page.js';

/** A machine of CI has all that the tests need; elsewhere a test that lacks something is skipped. */
const required = process.env['CI'] === 'true';
const program = findChromium();
const [dawn] = await webgpu.probe();

const minutes = 60_000;

/**
 * Starts it without a window, with WebGPU on the SwiftShader that it brings along, so that the test does not
 * depend on the machine's GPU. Chromium's own sandbox does not work for root, as which containers run.
 */
function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    chromiumSandbox: false,
    args: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  });
}

/**
 * Largest relative difference of two runs' losses. Between SwiftShader in the page and float64 it was 8e-7,
 * between SwiftShader and lavapipe in Node 2.5e-7; a learning rate wrong by 0.01 % makes 3e-4.
 */
const tolerance = 1e-4;

async function trainInNode(backend: Backend): Promise<number[]> {
  const backbone = readBackbone(await readFile(join(vitMicroFolder, 'model.safetensors')));
  const losses: number[] = [];
  try {
    await trainRecipe(backend, backbone, {
      wants: () => ['loss'],
      stepped: ({ outputs }) => void losses.push(outputs.loss!.data[0]!),
    });
  } finally {
    await backend.dispose();
  }
  return losses;
}

function largestDifference(losses: readonly number[], expected: readonly number[]): number {
  return Math.max(...expected.map((loss, i) => Math.abs(losses[i]! / loss - 1)));
}

async function resultOf(page: Page): Promise<PageResult> {
  const text = await page.waitForFunction(() => document.getElementById('result')!.textContent, undefined, {
    timeout: 5 * minutes,
  });
  return JSON.parse((await text.jsonValue())!);
}

const skipped = program === undefined && !required;

describe.skipIf(skipped)(skipped ? `the page (skipped: ${noChromium})` : 'the page', () => {
  let served: ServedPage;
  let browser: Browser;

  beforeAll(async () => {
    if (program === undefined) throw new Error(`CI is set, but ${noChromium}.`);
    served = await servePage();
    browser = await launch(program);
  }, minutes);

  afterAll(async () => {
    await browser?.close();
    await served?.close();
  });

  it('is built without a warning, e.g. of a module that only Node has', () => {
    expect(served.warnings).toBe('');
  });

  describe('with WebGPU', () => {
    const complaints: string[] = [];
    let page: Page;
    let losses: readonly number[] = [];

    beforeAll(async () => {
      page = await browser.newPage();
      page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(served.url);
      await page.locator('#train:enabled, #failure:not([hidden])').waitFor();
      if (await page.locator('#train').isEnabled()) await page.click('#train');
      const result = await resultOf(page);
      if (result.state === 'failed') throw new Error([result.message, result.fix].join('\n'));
      ({ losses } = result);
    }, 6 * minutes);

    it('trains LoRA and shows every step', async () => {
      expect(losses).toHaveLength(steps);
      expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
      const shown = await page.locator('#losses tr td:nth-child(2)').allTextContents();
      expect(shown).toEqual(losses.map((loss) => loss.toFixed(4)));
      expect(await page.locator('#curve circle').count()).toBe(steps);
    });

    it('writes nothing to the console', () => {
      expect(complaints).toEqual([]);
    });

    it('has the losses of the float64 reference backend', { timeout: 5 * minutes }, async () => {
      const expected = await trainInNode(await referenceBackend.create('cpu', { lower: false }));
      expect(largestDifference(losses, expected)).toBeLessThan(tolerance);
    });

    const without = !dawn!.available && !required;
    it.skipIf(without)(
      `has the losses of the same backend in Node${without ? ` (skipped: ${dawn!.detail})` : ''}`,
      { timeout: 15 * minutes },
      async () => {
        const expected = await trainInNode(await webgpu.create('gpu', webgpu.options.parse({})));
        expect(largestDifference(losses, expected)).toBeLessThan(tolerance);
      },
    );
  });

  it.each([
    ['WebGPU', () => void delete (Navigator.prototype as { gpu?: GPU }).gpu, 'This browser has no WebGPU.'],
    [
      'a GPU',
      () => Object.assign(GPU.prototype, { requestAdapter: async () => null }),
      'WebGPU finds no GPU here.',
    ],
  ])('says what to do without %s', { timeout: minutes }, async (_, takeAway, message) => {
    const page = await browser.newPage();
    await page.addInitScript(takeAway);
    await page.goto(served.url);
    const result = await resultOf(page);
    expect(result).toMatchObject({ state: 'failed', code: 'BACKEND', message });
    const failure = page.locator('#failure');
    expect(await failure.isVisible()).toBe(true);
    expect(await failure.textContent()).toContain((result as { fix: string }).fix);
    expect(await page.locator('#train').isDisabled()).toBe(true);
    await page.close();
  });
});
