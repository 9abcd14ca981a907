import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '@kora-bench/bench/cli';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { fakeSuite, temporaryFolder } from './fake-run.js';

/*
 * Every case ends with exit code 2 and the four facts: where, what was expected, what came, the fix. No
 * cell is started: the program of a cell's process does not exist.
 */

const folder = temporaryFolder();
const home = process.cwd();
const suite = fakeSuite(folder, ['done']);
const file = (name: string, content: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const extending = (name: string, changes: object) => file(name, { extends: suite, ...changes });

beforeAll(() => {
  process.chdir(folder);
  vi.stubEnv('KORA_DATA_DIR', join(folder, 'no-data'));
  vi.stubEnv('KORA_CACHE_DIR', join(folder, 'cache'));
});
afterAll(() => process.chdir(home));
afterEach(() => vi.restoreAllMocks());

async function complaint(...args: readonly string[]): Promise<string> {
  let stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const code = await main(args, { cellEntry: join(folder, 'no-such-program.js') });
  expect(stdout).not.toHaveBeenCalled();
  expect(stderr).not.toMatch(/^\s+at /m);
  expect({ code, stderr }).toMatchObject({ code: 2 });
  return stderr;
}

const cases: Record<string, [args: string[], ...says: RegExp[]]> = {
  'an unknown command': [['prams'], /one of run, params/, /Did you mean params\?/],
  'an unknown flag': [['--bach-size', '4'], /Did you mean --batch-size\?/],
  'an unknown method': [
    ['--method', 'lore'],
    /where: +methods\[0\]\.name set by --method/,
    /one of linear-probe, full, lora/,
    /Did you mean lora\?/,
  ],
  'an unknown preset': [
    ['--method', 'lora:publised'],
    /methods\[0\]\.preset/,
    /one of published, peft/,
    /Did you mean published\?/,
  ],
  'an unknown backend': [
    ['--backend', 'onnx-runtime'],
    /one of onnxruntime, webgpu, reference/,
    /Did you mean onnxruntime\?/,
  ],
  'an unknown device': [
    ['--backend', 'onnxruntime:gpu'],
    /backends\[0\]\.device/,
    /one of cpu, webgpu, cuda/,
  ],
  'an unknown model': [['--model', 'vit_tinny_patch16_224'], /Did you mean vit_tiny_patch16_224\?/],
  'an unknown data set': [
    ['--source', 'cifar-100'],
    /where: +source set by --source/,
    /Did you mean cifar100\?/,
  ],
  'a data set of another kind': [
    ['--source', 'procedural-depth'],
    /data for classification/,
    /which is for depth/,
  ],
  'an unknown task': [
    ['--task', 'source,depht'],
    /tasks\[1\] set by --task/,
    /one of source, transfer, depth/,
  ],
  'an unknown protocol': [['--protocol', 'published'], /one of stratified, as-published/],
  'an unknown suite': [['--suite', 'defualt'], /Did you mean default\?/],
  'an unknown kind of list': [['list', 'method'], /Did you mean methods\?/],
  'a number that is none': [
    ['--epochs', 'ten'],
    /training\.epochs set by --epochs/,
    /an integer from 1 to 1000/,
    /"ten"/,
  ],
  'a number out of range': [['--learning-rate', '-1'], /a number above 0/, /received: -1/],
  'a batch that is larger than the data': [
    ['--suite', suite, '--batch-size', '65'],
    /batch is larger than the data/,
    /at most 64/,
    /received: 65/,
  ],
  'the same cell twice': [['--suite', suite, '--seeds', '1,1'], /the same cell twice/],
  'data that is not there': [
    ['--suite', suite, '--source', 'tiny-imagenet'],
    /where: +.*no-data/,
    /fix: +Download http\S+tiny-imagenet-200\.zip/,
  ],
  'weights that are not there': [
    ['--suite', suite, '--model', 'vit_tiny_patch16_224'],
    /no-data/,
    /fix: +Download https:\S+vit_tiny_patch16_224/,
  ],
  'a method’s option out of range': [
    [
      '--suite',
      extending('rank.json', { methods: [{ name: 'full' }, { name: 'lora', options: { rank: 0 } }] }),
    ],
    /where: +methods\[1\]\.options\.rank/,
    /an integer from 1 to 1024/,
    /received: 0/,
  ],
  'a method’s unknown option': [
    ['--suite', extending('rnak.json', { methods: [{ name: 'lora', options: { rnak: 4 } }] })],
    /methods\[0\]\.options\.rnak/,
    /Did you mean rank\?/,
  ],
  'a suite with an unknown field': [
    ['--suite', extending('field.json', { training: { epoch: 2 } })],
    /where: +training\.epoch in .*field\.json/,
    /Did you mean epochs\?/,
  ],
  'a suite that is not complete': [
    ['--suite', file('part.json', { methods: [{ name: 'lora' }] })],
    /where: +backends in /,
    /Add backends or take what is missing from another suite with "extends": "default"/,
  ],
  'a suite that is not complete and has a misspelt field': [
    ['--suite', file('part-epoch.json', { training: { epoch: 2 } })],
    /training\.epoch in /,
    /Did you mean epochs\?/,
  ],
  'a suite with a wrong type': [
    ['--suite', extending('type.json', { training: { optimizer: { kind: 'adamw', beta1: 'high' } } })],
    /training\.optimizer\.beta1/,
    /a number of at least 0 and below 1/,
    /"high"/,
  ],
  'a suite that is not JSON': [
    ['--suite', file('broken.json', '{"methods": [')],
    /broken\.json/,
    /not valid JSON/,
  ],
  'a suite that is not there': [['--suite', './absent.json'], /absent\.json/, /no such file/],
  'suites in a circle': [
    ['--suite', file('ring.json', { extends: './ring.json' })],
    /extend each other in a circle/,
  ],
  'a plugin that is not there': [
    ['--suite', extending('plugin.json', { plugins: { methods: ['./absent.mjs'] } })],
    /plugins\.methods\[0\]/,
    /cannot be imported/,
  ],
  'a plugin that registers nonsense': [
    [
      '--suite',
      extending('nonsense.json', {
        plugins: { methods: [file('nonsense.mjs', 'export default { name: "a" };')] },
      }),
    ],
    /does not register valid methods/,
    /nonsense\.mjs/,
  ],
  'a plugin that is not installed': [
    ['--suite', extending('uninstalled.json', { plugins: { datasets: ['@kora-bench/absent'] } })],
    /plugins\.datasets\[0\]/,
    /Install the package/,
  ],
  'a folder that is no run': [['audit', '.'], /not the folder of a run/, /no run\.json/],
  'no run to resume': [['--resume'], /There is no run yet/],
  'a parameter count without its model': [['params', '--classes', '10'], /--model/],
  'a class count that is none': [
    ['params', '--model', 'vit_tiny_patch16_224', '--classes', '0'],
    /integer of at least 1/,
  ],
};

for (const [name, [args, ...says]] of Object.entries(cases)) {
  test(name, async () => {
    const stderr = await complaint(...args);
    for (const pattern of says) expect(stderr).toMatch(pattern);
  });
}

test('a plugin cannot take a name that is taken', async () => {
  const twice = file(
    'twice.mjs',
    `import lora from ${JSON.stringify(import.meta.resolve('@kora-bench/method-lora'))}; export default [lora];`,
  );
  const stderr = await complaint('--suite', extending('twice.json', { plugins: { methods: [twice] } }));
  expect(stderr).toMatch(/named "lora"[\s\S]*method-lora and from .*twice\.mjs/);
});

test('a corrupt record is named', async () => {
  const runDir = join(folder, 'corrupt');
  const { createRun, loadSuite, planCells, resolveConfig } = await import('@kora-bench/bench');
  const resolved = await resolveConfig((await loadSuite(suite)).config);
  const cells = planCells(resolved);
  const createdAt = new Date(0).toISOString();
  await (
    await createRun(runDir, { schemaVersion: 1, suite: 'x', createdAt, config: resolved.config, cells })
  )();
  mkdirSync(join(runDir, 'records'));
  writeFileSync(join(runDir, 'records', `${cells[0]!.id}.json`), '{"schemaVersion": 1');
  const stderr = await complaint('audit', runDir);
  expect(stderr).toContain(`${cells[0]!.id}.json`);
  expect(stderr).toMatch(/fix: +Run with --resume/);
});
