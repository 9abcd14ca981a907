import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

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

/** Where the libraries of a Chromium lie whose program is a script in another folder. */
const libraries = ['/usr/lib/chromium', '/usr/lib64/chromium-browser'];

/**
 * The file by which Vulkan's loader finds SwiftShader, the software driver that Chromium brings; undefined without one.
 * It compiles a kernel in a tenth of the time that Mesa's lavapipe takes.
 */
export function findSwiftShader(): string | undefined {
  const program = findChromium();
  if (program === undefined || !existsSync(program)) return undefined;
  const folders = [dirname(realpathSync(program)), ...libraries];
  return folders.map((folder) => join(folder, 'vk_swiftshader_icd.json')).find((path) => existsSync(path));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
