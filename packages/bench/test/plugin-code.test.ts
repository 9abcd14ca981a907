import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DoneRecord } from '@kora-bench/bench';
import { loadRegistry, loadSuite, planCells, readPlan, readRecords, resolveConfig } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { bench, fakeSuite, fixture, startBench, until } from './fake-run.js';
import { ownFolder, runKora } from './own-folder.js';
import { temporaryFolder, trainingOf } from './tiny-cell.js';

/** Writes files, by their paths in `folder`. */
function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

const protocol = (constants = './constants.mjs') => `
  import { z } from 'zod';
  import { name } from '${constants}';
  export default { name, description: 'for tests', options: z.strictObject({}), draws: () => [] };
`;

/** A plugin with a file of constants, a neighbour that it never loads, and two installed packages. */
function pluginFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = join(temporaryFolder(), 'plugin');
  write(folder, {
    'index.mjs': protocol(),
    'constants.mjs': `
      import { readFile } from 'node:fs/promises';
      import table from './table.json' with { type: 'json' };
      export { name } from 'names';
      export const later = () => [readFile, table, import('./later.mjs'), import('uninstalled')];
    `,
    'table.json': '{ "rate": 1 }',
    'later.mjs': 'export default 1;',
    'notes.mjs': 'export default "nobody imports this";',
    'node_modules/names/package.json':
      '{ "name": "names", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
    'node_modules/names/index.js': 'export const name = "mine";',
    ...files,
  });
  symlinkSync(
    fileURLToPath(new URL('../node_modules/zod', import.meta.url)),
    join(folder, 'node_modules', 'zod'),
    'junction',
  );
  return folder;
}

async function digestOf(folder: string): Promise<string> {
  const { plugins } = await loadRegistry(
    {
      ...{ methods: [], backends: [], models: [], datasets: [], tasks: [] },
      protocols: [join(folder, 'index.mjs')],
    },
    folder,
  );
  expect(plugins).toMatchObject([{ kind: 'protocols', definitions: ['mine'] }]);
  return plugins[0]!.digest;
}

test.each([
  ['the entry', 'index.mjs', `${protocol()}\n`, true],
  ['a file that it imports', 'constants.mjs', "export const [name, rate] = ['mine', 2];", true],
  ['JSON that it imports', 'table.json', '{ "rate": 2 }', true],
  ['a file that it imports later', 'later.mjs', 'export default 2;', true],
  ['a file that nothing imports', 'notes.mjs', 'export default 2;', false],
  [
    'the version of an installed package',
    'node_modules/names/package.json',
    '{ "name": "names", "version": "1.0.1", "type": "module", "exports": "./index.js" }',
    true,
  ],
  [
    'the inside of an installed package of one version',
    'node_modules/names/index.js',
    'export const name = `mine`;',
    false,
  ],
  ['a package that was missing', 'node_modules/uninstalled/index.js', 'export default 1;', true],
])('%s: whether a change of it changes the digest', async (_what, path, text, changes) => {
  const folder = pluginFolder();
  const before = await digestOf(folder);
  expect(before).toMatch(/^[0-9a-f]{64}$/);
  write(folder, { [path]: text });
  if (path.endsWith('uninstalled/index.js'))
    write(folder, {
      'node_modules/uninstalled/package.json': '{ "name": "uninstalled", "version": "1.0.0" }',
    });
  const after = await digestOf(folder);
  if (changes) expect(after).not.toBe(before);
  else expect(after).toBe(before);
});

test('the digest is the same wherever the plugin lies, and through a link', async () => {
  const folder = pluginFolder();
  const before = await digestOf(folder);
  const elsewhere = join(temporaryFolder(), 'deep', 'er');
  mkdirSync(dirname(elsewhere));
  renameSync(folder, elsewhere);
  expect(await digestOf(elsewhere)).toBe(before);
  const link = join(temporaryFolder(), 'link');
  symlinkSync(elsewhere, link, 'junction');
  expect(await digestOf(link)).toBe(before);
});

test('a package that is linked into node_modules counts by its content', async () => {
  const folder = pluginFolder();
  const linked = join(temporaryFolder(), 'linked');
  cpSync(join(folder, 'node_modules', 'names'), linked, { recursive: true });
  write(folder, { 'constants.mjs': "export { name } from 'linked';" });
  write(linked, {
    'package.json': '{ "name": "linked", "version": "1.0.0", "exports": "./index.js", "type": "module" }',
  });
  symlinkSync(linked, join(folder, 'node_modules', 'linked'), 'junction');
  const before = await digestOf(folder);
  write(linked, { 'index.js': 'export const name = `mine`;' });
  expect(await digestOf(folder)).not.toBe(before);
});

test('a file that cannot be parsed is refused, with the plugin', async () => {
  const folder = pluginFolder({ 'later.mjs': 'export default (' });
  await expect(digestOf(folder)).rejects.toMatchObject({
    code: 'INPUT',
    message: expect.stringMatching(/The code of the plugin ".*index\.mjs" cannot be read/) as string,
    where: expect.stringMatching(/later\.mjs$/) as string,
  });
});

test('only the cells that use a plugin have its code in their ids', async () => {
  const folder = pluginFolder();
  const suite = {
    methods: [{ name: 'linear-probe' }],
    backends: [{ name: 'reference' }],
    models: ['fake-model'],
    phases: [{ name: 'source', task: 'classification', data: 'fake-classes' }],
    seeds: [0],
    training: { epochs: 1, batchSize: 8, learningRate: 0.1 },
    plugins: {
      datasets: [fixture('plugin-data.mjs')],
      models: [fixture('plugin-model.mjs')],
      protocols: [join(folder, 'index.mjs')],
    },
  };
  const idWith = async (protocol: string) => {
    const path = join(folder, 'suite.json');
    writeFileSync(path, JSON.stringify({ ...suite, phases: [{ ...suite.phases[0], protocol }] }));
    return planCells(await resolveConfig((await loadSuite(path)).config))[0]!.id;
  };
  const before = { without: await idWith('full'), with: await idWith('mine') };
  write(folder, { 'later.mjs': 'export default 2;' });
  expect(await idWith('full')).toBe(before.without);
  expect(await idWith('mine')).not.toBe(before.with);
});

const suite = {
  methods: [{ name: 'linear-probe' }],
  backends: [{ name: 'reference' }],
  models: ['toy-backbone'],
  phases: [{ name: 'angle', task: 'toy-angle', data: 'toy-gradients' }],
  seeds: [0, 1],
  training: { epochs: 2, batchSize: 8, learningRate: 0.05 },
};

test('--resume runs again what other code of a plugin made, and says so', async () => {
  const folder = ownFolder({
    tasks: ['./my-task/index.mjs'],
    datasets: ['kora-toy-angle/data'],
    models: ['kora-toy-angle/model'],
  });
  const original = readFileSync(join(fixture('kora-toy-angle'), 'task.js'), 'utf8');
  const task = original
    .replace("from 'zod';", "from 'zod';\nimport { rightAngle } from './constants.mjs';")
    .replace('Math.abs(90 *', 'Math.abs(rightAngle *');
  write(folder, {
    'my-task/index.mjs': task,
    'my-task/constants.mjs': 'export const rightAngle = 90;',
    'my-task/README.md': 'An angle.',
    'mine.json': JSON.stringify(suite),
  });
  const run = join(folder, 'run');
  const recordsOf = async () => {
    const { cells } = await readPlan(run);
    return (await readRecords(
      run,
      cells.map(({ id }) => id),
    )) as DoneRecord[];
  };
  const errorOf = ({ phases }: DoneRecord) => phases[0]!.draws[0]!.evaluations[0]!.values['angleError']!;
  const first = await runKora(folder, '--suite', './mine.json', '--out', 'run');
  expect(first.code, first.stderr).toBe(0);
  const before = await recordsOf();
  const digests = Object.fromEntries(before[0]!.code.plugins.map(({ kind, digest }) => [kind, digest]));
  expect(Object.keys(digests).sort()).toEqual(['datasets', 'models', 'tasks']);
  for (const digest of Object.values(digests)) expect(digest).toMatch(/^[0-9a-f]{64}$/);

  write(folder, { 'my-task/README.md': 'An angle, in degrees.' });
  const same = await runKora(folder, '--resume', '--out', 'run');
  expect(same.stderr).toContain('0 cells to do, 2 done before');
  expect(same.stderr).not.toContain('other code');
  expect(same.stdout).toBe(first.stdout);

  write(folder, { 'my-task/constants.mjs': 'export const rightAngle = 45;' });
  const changed = await runKora(folder, '--resume', '--out', 'run', '--json');
  expect(changed.code, changed.stderr).toBe(0);
  expect(changed.stderr).toContain(
    '2 cells were made by other code (plugin ./my-task/index.mjs) and run again.',
  );
  expect(changed.stderr).toContain('2 cells to do.');
  const after = await recordsOf();
  expect(after.map(({ cell }) => cell.seed)).toEqual([0, 1]);
  for (const [index, record] of after.entries()) {
    expect(record.cell.id).not.toBe(before[index]!.cell.id);
    expect(errorOf(record)).not.toBeCloseTo(errorOf(before[index]!), 2);
    const changedKinds = record.code.plugins.filter(({ kind, digest }) => digest !== digests[kind]);
    expect(changedKinds.map(({ kind }) => kind)).toEqual(['tasks']);
  }
  const mean = (records: readonly DoneRecord[]) =>
    records.reduce((sum, record) => sum + errorOf(record), 0) / records.length;
  const { rows } = JSON.parse(changed.stdout) as {
    rows: { scores: { metric: { key: string }; estimate: { value: number } }[] }[];
  };
  const shown = rows[0]!.scores.find(({ metric }) => metric.key === 'angleError')!.estimate.value;
  expect(shown).toBeCloseTo(mean(after), 9);
  expect(shown).not.toBeCloseTo(mean(before), 2);
  // What was made before stays on disk, though it does not count any more.
  const old = await readRecords(
    run,
    before.map(({ cell }) => cell.id),
  );
  expect(old).toEqual(before);

  write(folder, { 'my-task/constants.mjs': 'export const rightAngle = 90;' });
  const back = await runKora(folder, '--resume', '--out', 'run');
  expect(back.stderr).toContain('0 cells to do, 2 done before');
  expect(back.stdout).toBe(first.stdout);
});

test('features that other code of a backbone computed are not taken from the cache', async () => {
  const folder = ownFolder({
    tasks: ['kora-toy-angle/task'],
    datasets: ['kora-toy-angle/data'],
    models: ['./model.mjs'],
  });
  cpSync(join(fixture('kora-toy-angle'), 'model.js'), join(folder, 'model.mjs'));
  write(folder, { 'mine.json': JSON.stringify(suite) });
  const reused = async (out: string) => {
    const { code, stderr } = await runKora(folder, '--suite', './mine.json', '--out', out);
    expect(code, stderr).toBe(0);
    const run = join(folder, out);
    const { cells } = await readPlan(run);
    const records = (await readRecords(
      run,
      cells.map(({ id }) => id),
    )) as DoneRecord[];
    return records.map((record) => (trainingOf(record, 'angle').cache?.reusedImages ?? 0) > 0);
  };
  expect(await reused('first')).toEqual([false, true]);
  expect(await reused('again')).toEqual([true, true]);
  write(folder, { 'model.mjs': `${readFileSync(join(folder, 'model.mjs'), 'utf8')}// changed` });
  expect(await reused('changed')).toEqual([false, true]);
});

test('a plugin that is edited while a run goes on fails the cells that come after', async () => {
  const folder = ownFolder({
    tasks: ['./task.mjs'],
    datasets: ['kora-toy-angle/data'],
    models: ['kora-toy-angle/model'],
  });
  const source = readFileSync(join(fixture('kora-toy-angle'), 'task.js'), 'utf8');
  // The first cell edits the plugin once it is loaded with its phases.
  const edits = source.replace(
    'create({ targets }) {',
    "create({ targets }) {\n    if (process.send) appendFileSync(new URL(import.meta.url), '// edited');",
  );
  write(folder, {
    'task.mjs': `import { appendFileSync } from 'node:fs';\n${edits}`,
    'mine.json': JSON.stringify(suite),
  });
  const { code, stdout } = await runKora(folder, '--suite', './mine.json', '--out', 'run');
  expect(code).toBe(1);
  expect(stdout).toMatch(/seed 1[\s\S]*The code of a plugin was changed after the run had started/);
});

test('Ctrl-C between the cells that run again loses nothing', async () => {
  const folder = temporaryFolder();
  const plugin = join(folder, 'data.mjs');
  cpSync(fixture('plugin-data.mjs'), plugin);
  const plugins = { datasets: [plugin], models: [fixture('plugin-model.mjs')] };
  const path = fakeSuite(folder, ['done', 'slow'], { seeds: [0], plugins });
  const run = join(folder, 'run');
  mkdirSync(run);
  const pids = () => {
    try {
      return readFileSync(join(run, 'pids'), 'utf8').trim().split('\n').length;
    } catch {
      return 0;
    }
  };
  const first = startBench(folder, '--suite', path, '--out', run);
  await until(() => pids() === 1, 'the slow cell');
  first.child.kill('SIGINT');
  expect((await first.ended).code).toBe(130);
  const before = await readPlan(run);

  writeFileSync(plugin, `${readFileSync(plugin, 'utf8')}// changed\n`);
  const second = startBench(folder, '--resume', '--out', run);
  await until(() => pids() === 2, 'the slow cell again');
  second.child.kill('SIGINT');
  const stopped = await second.ended;
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toContain('1 cell was made by other code');
  expect(stopped.stderr).toContain('2 cells to do.');
  const after = await readPlan(run);
  expect(after.cells.map(({ label }) => label)).toEqual(['done', 'slow']);
  expect(after.cells[0]!.id).not.toBe(before.cells[0]!.id);
  expect(after.createdAt).toBe(before.createdAt);

  writeFileSync(join(run, 'hurry'), '');
  const third = await bench(folder, '--resume', '--out', run);
  expect(third.code, third.stderr).toBe(0);
  expect(third.stderr).not.toContain('other code');
  expect(third.stderr).toContain('1 cell to do, 1 done before');
  expect(await readRecords(run, [before.cells[0]!.id])).toHaveLength(1);
});
