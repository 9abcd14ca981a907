import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@kora-bench/core/safetensors';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const examples = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kora-examples-'));
const images = join(folder, 'flags');

/** Four classes of flags: vertical or horizontal stripes, in two pairs of colours. */
const classes = { up: [0, 1], across: [1, 1], dawn: [0, 2], dusk: [1, 2] };
const perClass = 10;

beforeAll(async () => {
  for (const [name, [direction, colour]] of Object.entries(classes)) {
    mkdirSync(join(images, name), { recursive: true });
    for (let number = 0; number < perClass; number++) {
      const stripes = Buffer.alloc(48 * 48 * 3);
      for (let at = 0; at < 48 * 48; at++) {
        const along = direction === 0 ? at % 48 : Math.floor(at / 48);
        const light = Math.floor((along + number) / 6) % 2 === 0;
        stripes[3 * at] = light ? 230 - 3 * number : 30;
        stripes[3 * at + colour] = light ? 90 : 200 - 2 * number;
      }
      const raw = { width: 48, height: 48, channels: 3 };
      await sharp(stripes, { raw })
        .png()
        .toFile(join(images, name, `${number}.png`));
    }
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ['fine-tune-folder.mjs', 5],
  // 32 of the 40 images are trained on, in batches of 8.
  ['custom-loop.mjs', 20],
])('%s', (example, printed) => {
  it('trains on a folder, beats chance and saves its weights', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(examples, example), images], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, KORA_CACHE_DIR: join(folder, 'cache') },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const losses = [...stdout.matchAll(/loss (\d+\.\d+)$/gm)].map(([, loss]) => Number(loss));
    expect(losses).toHaveLength(printed);
    expect(losses.at(-1)).toBeLessThan(losses[0] / 2);
    const [, accuracy, count] = /test accuracy (\d+\.\d) % of (\d+) images/.exec(stdout);
    expect(Number(count)).toBe(8);
    // Chance is 25 %.
    expect(Number(accuracy)).toBeGreaterThan(60);
    const { tensors } = readSafetensors(
      readFileSync(join(folder, 'trained.safetensors')),
      'trained.safetensors',
    );
    expect(tensors.get('head.weight').shape).toEqual([4, 96]);
    expect([...tensors.keys()].some((name) => name.includes('lora'))).toBe(true);
    rmSync(join(folder, 'trained.safetensors'));
  });
});
