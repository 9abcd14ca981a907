import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { throughputCellSchema } from '@kora-bench/bench';
import { main } from '@kora-bench/bench/cli';
import { vitMicroFolder } from '@kora-bench/models';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { captureOutput } from './captured-output.js';
import { temporaryFolder } from './fake-run.js';

const folder = temporaryFolder();
const home = process.cwd();
const written = captureOutput();

beforeAll(() => {
  process.chdir(folder);
  vi.stubEnv('KORA_DATA_DIR', join(folder, 'data'));
  vi.stubEnv('KORA_CACHE_DIR', join(folder, 'cache'));
});
afterAll(() => process.chdir(home));

const plugins = (value: object) =>
  writeFileSync(join(folder, 'kora.config.json'), JSON.stringify({ plugins: value }));
afterEach(() => rmSync(join(folder, 'kora.config.json'), { force: true }));

describe('list', () => {
  const expected: Record<string, string[]> = {
    methods: [
      'linear-probe',
      'full',
      'lora',
      'dora',
      'vera',
      'fourierft',
      'oft',
      'bitfit',
      'vpt',
      'ssf',
      'ia3',
      'adaptformer',
      'repadapter',
      'adapter-fusion',
      'kora',
      'kora-chain',
      'basis-adapter',
    ],
    backends: ['onnxruntime', 'webgpu', 'tfjs', 'reference'],
    models: ['vit_micro_patch8_64', 'vit_tiny_patch16_224', 'vit_base_patch16_224'],
    datasets: ['procedural-source', 'procedural-transfer', 'procedural-depth', 'tiny-imagenet', 'cifar100'],
    tasks: ['classification', 'depth', 'segmentation', 'regression'],
    protocols: ['full', 'stratified', 'few-shot', 'as-published'],
    analyses: ['cka', 'merge'],
    suites: [
      'default',
      'depth',
      'few-shot',
      'kora-ablation',
      'published',
      'published-small',
      'quick',
      'tiny-imagenet',
    ],
  };

  test.each(Object.entries(expected))('%s: each with its description', async (kind, names) => {
    expect(await main(['list', kind, '--json'])).toBe(0);
    const listed = JSON.parse(written.stdout) as { name: string; description: string }[];
    expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    for (const { description } of listed) expect(description).not.toBe('');
    const first = listed[0]!;
    written.stdout = '';
    expect(await main(['list', kind])).toBe(0);
    expect(written.stdout).toContain(first.name);
    expect(written.stdout).toContain(first.description);
  });

  test('the suite all-methods runs every method that ships', async () => {
    await main(['list', 'methods', '--json']);
    const listed = JSON.parse(written.stdout) as { name: string }[];
    const path = new URL('../suites/all-methods.json', import.meta.url);
    const suite = JSON.parse(readFileSync(path, 'utf8')) as { methods: { name: string }[] };
    expect(new Set(suite.methods.map(({ name }) => name))).toEqual(new Set(listed.map(({ name }) => name)));
  });

  test('shows the targets of data sets and tasks, so that a reader sees which go together', async () => {
    await main(['list', 'datasets']);
    expect(written.stdout).toMatch(/procedural-depth .*\n +targets: depth/);
    written.stdout = '';
    await main(['list', 'tasks']);
    expect(written.stdout).toMatch(/segmentation .*\n +targets: mask/);
  });
});

describe('doctor', () => {
  const backend = (name: string, probe: string) =>
    writeFileSync(
      join(folder, `${name}.mjs`),
      `export default { name: '${name}', description: 'for tests', defaultDevice: 'gpu', devices: ['gpu'],
        options: { _zod: {}, safeParse: (data) => ({ success: true, data }) }, create() {}, probe: async () => { ${probe} } };`,
    );

  test('tries every backend, and one whose driver crashes costs no other', async () => {
    backend(
      'sound',
      "return [{ device: 'gpu', available: true, detail: 'a card', facts: { memory: '8 GB' } }];",
    );
    backend('lost', "return [{ device: 'gpu', available: false, detail: 'no card', fix: 'Buy one.' }];");
    backend('crashing', "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {});");
    plugins({ backends: ['./sound.mjs', './lost.mjs', './crashing.mjs'] });
    expect(await main(['doctor'])).toBe(0);
    expect(written.stdout).toContain('✓ reference:cpu');
    expect(written.stdout).toMatch(/✓ sound:gpu {2}a card\n +memory: 8 GB/);
    expect(written.stdout).toMatch(/✗ lost:gpu {2}no card\n +fix: Buy one\./);
    expect(written.stdout).toMatch(
      /✗ crashing:gpu {2}Trying it failed: The cell’s process was ended by SIGKILL/,
    );
    expect(written.stdout).toContain(`Data:   ${join(folder, 'data')} (does not exist; set KORA_DATA_DIR)`);
    expect(written.stderr).toContain('Trying crashing ...');
  });
});

describe('data', () => {
  test('verify: data that comes with the suite is fine', async () => {
    expect(await main(['data', 'verify', 'procedural-transfer'])).toBe(0);
    expect(written.stdout).toMatch(/SHA-256 of 8 sample images: [0-9a-f]{64}\n/);
    expect(written.stdout).toContain('procedural-transfer is fine.');
  });

  test('verify --json says of a checkpoint what it is', async () => {
    expect(await main(['data', 'verify', 'vit_micro_patch8_64', '--json'])).toBe(0);
    const check = JSON.parse(written.stdout) as { ok: boolean; details: string[] };
    expect(check.ok).toBe(true);
    expect(check.details.join()).toMatch(/vit_micro_patch8_64: \d+ tensors.*sha256 [0-9a-f]{64}/);
  });

  test('verify takes the path of a folder of images, and names those that cannot be decoded', async () => {
    const photos = join(folder, 'photos');
    for (const name of ['a', 'b']) {
      mkdirSync(join(photos, name), { recursive: true });
      for (const i of [0, 1, 2]) writeFileSync(join(photos, name, `${i}.ppm`), `P3 2 1 255 0 0 0 255 ${i} 9`);
    }
    expect(await main(['data', 'verify', photos])).toBe(0);
    expect(written.stdout).toContain(`${photos} is fine.`);
    writeFileSync(join(photos, 'a', '1.jpg'), '');
    expect(await main(['data', 'verify', photos])).toBe(1);
    expect(written.stdout).toMatch(/PROBLEM: [\s\S]*a\/1\.jpg[\s\S]*an empty file/);
  });

  test('verify: data that is not there is a problem with a way out, and exit code 1', async () => {
    expect(await main(['data', 'verify', 'vit_tiny_patch16_224'])).toBe(1);
    expect(written.stdout).toMatch(/PROBLEM: [\s\S]*fix: +Download https:/);
    expect(written.stdout).toContain('vit_tiny_patch16_224 is not as it should be.');
  });

  test('get: nothing to do for what comes with the suite', async () => {
    expect(await main(['data', 'get', 'procedural-source'])).toBe(0);
    expect(written.stdout).toContain('procedural-source comes with the suite: there is nothing to download.');
  });

  test('get: what has no download says where to get it, with exit code 2', async () => {
    expect(await main(['data', 'get', 'tiny-imagenet'])).toBe(2);
    expect(written.stderr).toMatch(/no automatic download of tiny-imagenet[\s\S]*fix: +Download http/);
  });

  test('get: an unknown name is answered with the nearest', async () => {
    expect(await main(['data', 'get', 'tiny-imagenett'])).toBe(2);
    expect(written.stderr).toContain('Did you mean tiny-imagenet?');
  });
});

describe('throughput', () => {
  test('measures a method on a backend, in a table and as JSON of the published form', async () => {
    const flags = [
      '--method',
      'linear-probe',
      '--backend',
      'onnxruntime',
      '--batch-size',
      '2',
      '--time',
      '50',
    ];
    expect(await main(['throughput', ...flags, '--json']), written.stderr).toBe(0);
    const { cells } = JSON.parse(written.stdout) as { cells: unknown[] };
    const [cell] = cells.map((one) => throughputCellSchema.parse(one));
    expect(cells).toHaveLength(1);
    expect(cell).toMatchObject({ method: 'linear-probe', model: 'vit_micro_patch8_64', batch: 2 });
    expect(written.stderr).toContain('Measuring linear-probe on onnxruntime:cpu ...');
  });

  test('a measurement that fails is reported, and ends with exit code 1', async () => {
    writeFileSync(
      join(folder, 'broken.mjs'),
      `export default { name: 'broken', description: 'for tests', defaultDevice: 'cpu', devices: ['cpu'],
        options: { _zod: {}, safeParse: (data) => ({ success: true, data }), parse: (data) => data },
        create() { throw new Error('no such engine'); }, probe() {} };`,
    );
    plugins({ backends: ['./broken.mjs'] });
    const flags = ['--method', 'linear-probe', '--backend', 'broken', '--time', '50'];
    expect(await main(['throughput', ...flags])).toBe(1);
    expect(written.stderr).toContain('linear-probe on broken failed: no such engine');
    expect(written.stdout).toBe('');
  });
});

describe('pretrain', () => {
  const bin = fileURLToPath(new URL('../bin/kora-pretrain.js', import.meta.url));
  const pretrain = (...args: readonly string[]) =>
    spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8', cwd: folder });

  test('writes a backbone that the bench can load, with its recipe', async () => {
    const out = join(folder, 'backbone');
    const {
      status,
      stdout: printed,
      stderr: progress,
    } = pretrain(
      ...['--per-class', '1', '--test-per-class', '1', '--epochs', '1', '--seed', '3', '--out', out],
    );
    expect(status, progress).toBe(0);
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as {
      pretraining: { examples: number; classes: number; seed: number; testTop1: number };
    };
    expect(config.pretraining).toMatchObject({ examples: 256, classes: 256, seed: 3 });
    expect(printed).toContain(
      `test top-1 ${(100 * config.pretraining.testTop1).toFixed(2)} %, written to ${out}`,
    );
    const weights = (path: string) => readFileSync(join(path, 'model.safetensors'));
    expect(weights(out).length).toBe(weights(vitMicroFolder).length);
    expect(weights(out).equals(weights(vitMicroFolder))).toBe(false);
    expect(
      await main(['params', '--model', out, '--classes', '5', '--method', 'linear-probe', '--json']),
    ).toBe(0);
    expect(JSON.parse(written.stdout)).toMatchObject({ methods: [{ trainable: 5 * (96 + 1) }] });
  });

  test.each([
    [['--per-class', '0'], /'--per-class <n>' argument '0' is invalid.*at least 1/],
    [['--seed', 'x', '--per-class', '1', '--out', 'never'], /where: +seed[\s\S]*fix: +Give a whole number/],
    [['--epoch', '1'], /Did you mean --epochs\?/],
  ])('%j is bad input: exit code 2, and nothing is written', (args, says) => {
    const { status, stderr: complaint } = pretrain(...args);
    expect(status).toBe(2);
    expect(complaint).toMatch(says);
    expect(existsSync(join(folder, 'never'))).toBe(false);
  });
});
