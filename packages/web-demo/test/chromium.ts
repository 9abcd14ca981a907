import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const others = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

/** The error on a machine without a browser. */
export const noChromium = 'no Chromium or Chrome was found; install one, or name its program in CHROME_PATH';

/** The program of an installed Chromium or Chrome; `CHROME_PATH` goes first. */
export function findChromium(): string | undefined {
  const given = process.env['CHROME_PATH'];
  if (given !== undefined && given !== '') return given;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, ...others].find(isProgram);
}

/**
 * Starts it without a window, with WebGPU on the SwiftShader that it brings along, so that the test does not
 * depend on the machine's GPU. Chromium's own sandbox does not work for root, as which containers run.
 */
export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    chromiumSandbox: false,
    args: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
