import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import type { DoneRecord } from '@kora-bench/bench';
import type { MethodDefinition } from '@kora-bench/core/peft';
import full from '@kora-bench/method-full';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from './memory-split.js';
import {
  defaultSource,
  evaluationOf,
  runTinyCell,
  sourcePhase,
  temporaryFolder,
  trainingOf,
  transferPhase,
} from './tiny-cell.js';

const probe = linearProbe as MethodDefinition;
const chain = koraChain as MethodDefinition;

const lossesOf = (record: DoneRecord) =>
  trainingOf(record).stages.flatMap(({ losses }) => losses.map(({ loss }) => loss));

/** Everything that a run measured, without times. */
const numbersOf = (record: DoneRecord) => ({
  losses: trainingOf(record).stages.map(({ losses }) => losses),
  evaluation: evaluationOf(record),
  analyses: record.analyses,
});

function featureFiles(cacheDir: string): string[] {
  const folder = join(cacheDir, 'features');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.f32') || path.endsWith('.tmp'))
    .sort();
}

test.each([probe, chain])('kept features change no result: $name', async (method) => {
  // Pictures that look the same when flipped: `flip` changes nothing but that no prefix can be kept.
  const data = { source: memoryDataset({ train: 30, test: 12, classes: 3 }, { symmetric: true }) };
  const kept = await runTinyCell({ method, data, training: { augmentation: 'none' } });
  const fresh = await runTinyCell({ method, data, training: { augmentation: 'flip' } });
  expect(trainingOf(kept).cache).toMatchObject({ computedImages: 30, reusedImages: 0 });
  expect(trainingOf(fresh).cache).toBeNull();
  const [a, b] = [lossesOf(kept), lossesOf(fresh)];
  expect(a).toHaveLength(b.length);
  for (const [i, loss] of a.entries()) expect(loss).toBeCloseTo(b[i]!, 5);
  expect(trainingOf(kept).flopsPerStep).toBeLessThan(0.5 * trainingOf(fresh).flopsPerStep);
});

describe('on disk', () => {
  const first = async (cacheDir: string, source = defaultSource()) =>
    runTinyCell({ method: probe, cacheDir, data: { source } });

  test('a second cell reads what the first computed, whatever its seed and epochs', async () => {
    const cacheDir = temporaryFolder();
    await first(cacheDir);
    const source = defaultSource();
    const again = await runTinyCell({
      method: probe,
      cacheDir,
      data: { source },
      seed: 1,
      training: { epochs: 4 },
    });
    expect(trainingOf(again).cache).toMatchObject({ computedImages: 0, reusedImages: 30 });
    expect(source.train.reads).toEqual([]);
  });

  test('every cell tells what the features cost, and its own speed without them', async () => {
    const cacheDir = temporaryFolder();
    const cold = trainingOf(await first(cacheDir));
    const { pass } = cold.cache!;
    expect(pass.images).toBe(30);
    expect(pass.seconds).toBeGreaterThan(0);
    expect(pass.imagesPerSecond).toBeCloseTo(30 / pass.seconds, 9);
    const warm = trainingOf(await first(cacheDir));
    expect(warm.cache).toMatchObject({ computedImages: 0, pass });
    for (const { seconds, stepSeconds, imagesPerSecond, examples, stages } of [cold, warm]) {
      expect(imagesPerSecond).toBeCloseTo((examples * stages[0]!.epochs) / stepSeconds, 6);
      expect(stepSeconds).toBeLessThanOrEqual(seconds);
    }
    expect(cold.seconds).toBeGreaterThanOrEqual(cold.stepSeconds + pass.seconds);
  });

  test('another d_comp reads the same features: they come before every trained parameter', async () => {
    const cacheDir = temporaryFolder();
    const run = (dComp: number) => runTinyCell({ method: chain, options: { dComp }, cacheDir });
    const computed = trainingOf(await run(4)).cache!;
    expect(computed.computedImages).toBe(30);
    const read = trainingOf(await run(8)).cache!;
    expect(read).toMatchObject({ computedImages: 0, reusedImages: 30, pass: computed.pass });
  });

  test('features of two passes tell the cost of both', async () => {
    const cacheDir = temporaryFolder();
    const run = async () => trainingOf(await runTinyCell({ method: chain, cacheDir })).cache!;
    const { pass } = await run();
    // A file's header has its number of rows: of the test split's images there are fewer.
    const ofTraining = featureFiles(cacheDir).filter((path) => readFileSync(path).readUInt32LE(16) === 30);
    expect(ofTraining.length).toBeGreaterThan(1);
    rmSync(ofTraining[0]!);
    const both = await run();
    expect(both).toMatchObject({ computedImages: 30, pass: { images: 60 } });
    expect(both.pass.seconds).toBeGreaterThan(pass.seconds);
    expect(await run()).toMatchObject({ computedImages: 0, pass: both.pass });
  });

  test('numbers from disk equal computed ones', async () => {
    const cacheDir = temporaryFolder();
    const computed = await first(cacheDir);
    const read = await first(cacheDir);
    expect(trainingOf(read).cache!.reusedImages).toBe(30);
    expect(numbersOf(read)).toEqual(numbersOf(computed));
  });

  const flipBitAt = (from: number) => (path: string) => {
    const bytes = readFileSync(path);
    bytes[from < 0 ? bytes.length + from : from]! ^= 4;
    writeFileSync(path, bytes);
  };
  const ofVersion1 = (path: string) => {
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(1, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(64)), 12);
    bytes.fill(0, 44, 64);
    writeFileSync(path, bytes);
  };
  test.each([
    ['a flipped bit', flipBitAt(-7)],
    ['a flipped bit in what the features cost', flipBitAt(52)],
    ['a file of a version that does not tell the cost', ofVersion1],
    ['a missing end', (path: string) => truncateSync(path, readFileSync(path).length - 4)],
    ['an empty file', (path: string) => truncateSync(path, 0)],
    ['a foreign file', (path: string) => writeFileSync(path, Buffer.alloc(readFileSync(path).length, 65))],
  ])('%s is noticed, and the features are computed again', async (_damage, damage) => {
    const cacheDir = temporaryFolder();
    const sound = await first(cacheDir);
    const files = featureFiles(cacheDir);
    expect(files).toHaveLength(2);
    for (const path of files) damage(path);
    const repaired = await first(cacheDir);
    expect(trainingOf(repaired).cache!.computedImages).toBe(30);
    expect(numbersOf(repaired)).toEqual(numbersOf(sound));
    expect(trainingOf(await first(cacheDir)).cache!.reusedImages).toBe(30);
  });

  test('the features of another split under the right name are noticed', async () => {
    const [mine, other] = [temporaryFolder(), temporaryFolder()];
    const sound = await first(mine);
    await first(other, memoryDataset({ train: 30, test: 12, classes: 3 }, { dataset: 'other' }));
    const sizes = (path: string) => readFileSync(path).length;
    const bySize = new Map(featureFiles(other).map((path) => [sizes(path), path]));
    for (const path of featureFiles(mine)) writeFileSync(path, readFileSync(bySize.get(sizes(path))!));
    const repaired = await first(mine);
    expect(trainingOf(repaired).cache!.computedImages).toBe(30);
    expect(numbersOf(repaired)).toEqual(numbersOf(sound));
  });

  test('two cells at once leave whole files', async () => {
    const cacheDir = temporaryFolder();
    const [a, b] = await Promise.all([first(cacheDir), first(cacheDir)]);
    expect(numbersOf(a)).toEqual(numbersOf(b));
    expect(featureFiles(cacheDir).filter((path) => path.endsWith('.tmp'))).toEqual([]);
    expect(trainingOf(await first(cacheDir)).cache!.reusedImages).toBe(30);
  });

  test('features of trained weights are of no use to others and stay in memory', async () => {
    const cacheDir = temporaryFolder();
    const record = await runTinyCell({
      method: full as MethodDefinition,
      cacheDir,
      phases: [sourcePhase(), transferPhase()],
    });
    expect(trainingOf(record, 'transfer').cache).toMatchObject({ computedImages: 16 });
    expect(featureFiles(cacheDir)).toEqual([]);
  });
});

describe('a cache that cannot be written', () => {
  const run = async (cacheDir: string) => {
    const messages: string[] = [];
    const record = await runTinyCell({
      method: probe,
      cacheDir,
      report: (event) => void (event.kind === 'message' && messages.push(event.text)),
    });
    return { record, messages: messages.join('\n') };
  };

  test('a file in the place of its folder: the run says so and goes on in memory', async () => {
    const sound = await run(temporaryFolder());
    expect(sound.messages).toBe('');
    const cacheDir = temporaryFolder();
    for (const name of ['features', 'content-hashes']) writeFileSync(join(cacheDir, name), '');
    const { record, messages } = await run(cacheDir);
    expect(numbersOf(record)).toEqual(numbersOf(sound.record));
    expect(messages).toContain('Features cannot be kept on disk');
    expect(messages).toContain('Content hashes of memory cannot be kept');
  });

  const windows = process.platform === 'win32';

  test.skipIf(windows)(
    `a disk that is full half-way: nothing is lost${windows ? ' (skipped: no ulimit on Windows)' : ''}`,
    () => {
      const script = fileURLToPath(new URL('full-disk.mjs', import.meta.url));
      const cellWith = (limit: string) => {
        const cacheDir = temporaryFolder();
        const shell = `ulimit -f ${limit}; exec "${process.execPath}" "${script}" "${cacheDir}"`;
        const { stdout, stderr, status } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
        expect(status, stderr).toBe(0);
        const output = JSON.parse(stdout) as { messages: string[]; numbers: object };
        return { ...output, files: featureFiles(cacheDir) };
      };
      const sound = cellWith('unlimited');
      expect(sound.messages).toEqual([]);
      expect(sound.files).toHaveLength(2);
      // 8 blocks are 4 or 8 KiB: room for the first batches of the training features, not for all of them.
      const full = cellWith('8');
      expect(full.messages.join()).toContain('Features cannot be kept on disk: EFBIG');
      expect(full.numbers).toEqual(sound.numbers);
      expect(full.files.length).toBeLessThan(2);
      expect(full.files.filter((path) => path.endsWith('.tmp'))).toEqual([]);
    },
  );
});
