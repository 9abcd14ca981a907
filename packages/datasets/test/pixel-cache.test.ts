import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import { preparePixels } from '@kora-bench/datasets';
import { expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { runScript } from './support/run-script.js';
import { preprocessing, syntheticPixels, syntheticSplit } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

const imageSide = 12;

async function pixelsOf(split: ImageSplit, indices: number[], size = imageSide): Promise<Uint8Array> {
  const reader = await split.open(preprocessing(size));
  try {
    return (await reader.read(indices)).pixels;
  } finally {
    await reader.close();
  }
}

/** The file that holds the cached pixels of the only split and geometry in `cacheDir`. */
function slotsFile(cacheDir: string): string {
  const [folder] = readdirSync(join(cacheDir, 'pixels'));
  return join(cacheDir, 'pixels', folder!, '00000.slots');
}

test('examples come in the order asked for, resized', async () => {
  const { split } = syntheticSplit(5, 2, temporaryFolder());
  const pixels = await pixelsOf(split, [4, 0, 4]);
  const of = (i: number) => preparePixels(syntheticPixels(i), 8, 8, preprocessing(imageSide));
  expect(pixels).toEqual(new Uint8Array([...of(4), ...of(0), ...of(4)]));
});

test('what was read once is not decoded again, by any later reader', async () => {
  const cacheDir = temporaryFolder();
  const first = syntheticSplit(2100, 2, cacheDir);
  const pixels = await pixelsOf(first.split, [2, 1500, 2099]);
  const second = syntheticSplit(2100, 2, cacheDir);
  expect(await pixelsOf(second.split, [2099, 2])).toEqual(
    new Uint8Array([
      ...pixels.subarray(2 * imageSide * imageSide * 3),
      ...pixels.subarray(0, imageSide * imageSide * 3),
    ]),
  );
  expect(second.reads).toEqual([]);
  await pixelsOf(second.split, [1]);
  expect(second.reads).toEqual([1]);
});

test('another geometry and another content have caches of their own', async () => {
  const cacheDir = temporaryFolder();
  await pixelsOf(syntheticSplit(4, 2, cacheDir).split, [0]);
  const { split, reads } = syntheticSplit(4, 2, cacheDir);
  expect(await pixelsOf(split, [0], 10)).toHaveLength(300);
  expect(reads).toEqual([0]);
  const other = syntheticSplit(5, 2, cacheDir);
  await pixelsOf(other.split, [0]);
  expect(other.reads).toEqual([0]);
});

test('splits without targets per pixel keep the caches that they had before there were any', async () => {
  const cacheDir = temporaryFolder();
  const { split } = syntheticSplit(4, 2, cacheDir);
  await pixelsOf(split, [0]);
  const { imageSize, interpolation, cropPct } = preprocessing(imageSide);
  const [height, width] = imageSize;
  const { fingerprint } = split;
  const described = { format: 'kora-pixels 2', fingerprint, height, width, interpolation, cropPct };
  const key = createHash('sha256').update(JSON.stringify(described)).digest('hex');
  expect(readdirSync(join(cacheDir, 'pixels'))).toEqual([key.slice(0, 24)]);
});

test.each([
  ['a changed pixel', (path: string) => flipByte(path, 32 + 5)],
  ['a changed checksum', (path: string) => flipByte(path, 4)],
  ['a file cut short', (path: string) => truncateSync(path, 100)],
  ['a foreign file', (path: string) => writeFileSync(path, Buffer.alloc(5000, 'foreign'))],
  ['no file', (path: string) => rmSync(path)],
])('%s is noticed and the image decoded again', async (_, damage) => {
  const cacheDir = temporaryFolder();
  const pixels = await pixelsOf(syntheticSplit(3, 2, cacheDir).split, [0]);
  damage(slotsFile(cacheDir));
  const { split, reads } = syntheticSplit(3, 2, cacheDir);
  expect(await pixelsOf(split, [0])).toEqual(pixels);
  expect(await pixelsOf(split, [0])).toEqual(pixels);
  expect(reads).toEqual([0]);
});

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

test('two readers at once agree', async () => {
  const { split } = syntheticSplit(40, 2, temporaryFolder());
  const indices = Array.from({ length: 40 }, (_, i) => i);
  const [a, b] = await Promise.all([pixelsOf(split, indices), pixelsOf(split, indices)]);
  expect(a).toEqual(b);
  expect(await pixelsOf(split, indices)).toEqual(a);
});

test('an index outside the split, and a closed reader, are refused', async () => {
  const { split } = syntheticSplit(4, 2, temporaryFolder());
  const reader = await split.open(preprocessing(imageSide));
  expect((await failureOf(reader.read([4]))).expected).toBe('integers from 0 to 3');
  await reader.close();
  expect((await failureOf(reader.read([0]))).code).toBe('INPUT');
});

test('a killed process keeps what it had decoded, and the rest is decoded after it', async () => {
  const cacheDir = temporaryFolder();
  const fill = `
    for (let i = 0; i < length; i += 8) { await read(i, 8); if (i === 16) console.log('half-way'); }
  `;
  const killed = await runScript(fill, cacheDir, 4000, { killOn: 'half-way' });
  expect(killed.killed).toBe(true);
  expect(existsSync(slotsFile(cacheDir))).toBe(true);
  const check = `
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256');
    for (let i = 0; i < 64; i += 8) hash.update(await read(i, 8));
    await reader.close();
    console.log(hash.digest('hex'), reads);
  `;
  const resumed = await runScript(check, cacheDir, 4000);
  const fresh = await runScript(check, temporaryFolder(), 4000);
  const [freshHash, freshReads] = fresh.stdout.trim().split(' ');
  const [resumedHash, resumedReads] = resumed.stdout.trim().split(' ');
  expect(resumedHash).toBe(freshHash);
  expect(Number(freshReads)).toBe(64);
  expect(Number(resumedReads)).toBeLessThanOrEqual(64 - 24);
});

const readTwice = `
  const a = await read(0, 6);
  const b = await read(0, 6);
  await reader.close();
  console.log(Buffer.compare(a, b), a.length);
`;

test('a full disk gives one warning and no wrong pixels', async () => {
  const { stdout, stderr } = await runScript(readTwice, temporaryFolder(), 6, {
    limits: 'ulimit -f 500;',
  });
  expect(stdout).toBe(`0 ${6 * 224 * 224 * 3}\n`);
  expect(stderr.match(/CacheWarning/g)).toHaveLength(1);
});

test('a cache folder that cannot be written gives one warning and no wrong pixels', async () => {
  const blocked = join(temporaryFolder(), 'file');
  writeFileSync(blocked, '');
  const { stdout, stderr } = await runScript(readTwice, blocked, 6);
  expect(stdout).toBe(`0 ${6 * 224 * 224 * 3}\n`);
  expect(stderr.match(/CacheWarning/g)).toHaveLength(1);
});

test('memory does not grow with the number of images', async () => {
  const script = `
    const resident = async (from, to) => {
      for (let i = from; i < to; i += 16) await read(i, 16);
      return process.resourceUsage().maxRSS;
    };
    const early = await resident(0, 240);
    const late = await resident(240, length);
    console.log((late - early) / 1024);
    await reader.close();
  `;
  const { stdout } = await runScript(script, temporaryFolder(), 1040);
  const grownMiB = Number(stdout);
  // The 800 images in between are 115 MiB.
  expect(grownMiB).toBeLessThan(60);
});

test('a reader that is never closed does not keep the process alive', async () => {
  const { stdout } = await runScript(`await read(0, 2); console.log('done');`, temporaryFolder(), 6);
  expect(stdout).toBe('done\n');
});
