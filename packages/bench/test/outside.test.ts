import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DoneRecord } from '@kora-bench/bench';
import { readPlan, readRecords } from '@kora-bench/bench';
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Ended } from './captured-output.js';
import { ownFolder, runKora } from './own-folder.js';
import { temporaryFolder } from './tiny-cell.js';

/*
 * Someone's own folder: a package with a task, a data set, a protocol, a backbone and a backend is installed in
 * it, `kora.config.json` names its parts, and everything is done by the command line.
 */

const bin = fileURLToPath(new URL('../bin/kora-bench.js', import.meta.url));
const parts = {
  tasks: ['kora-toy-angle/task'],
  datasets: ['kora-toy-angle/data'],
  protocols: ['kora-toy-angle/protocol'],
  models: ['kora-toy-angle/model'],
  backends: ['kora-toy-angle/backend'],
};

const suite = {
  methods: [{ name: 'linear-probe' }],
  backends: [{ name: 'primitives-alone' }],
  models: ['toy-backbone'],
  phases: [
    {
      name: 'angle',
      task: 'toy-angle',
      data: 'toy-gradients',
      protocol: { name: 'every-nth', options: { n: 2 } },
    },
  ],
  seeds: [0],
  training: { epochs: 8, batchSize: 8, learningRate: 0.05 },
};

describe('a task, a data set, a protocol, a backbone and a backend of someone’s own', () => {
  let folder: string;
  let ended: Ended;
  let record: DoneRecord;

  beforeAll(async () => {
    folder = ownFolder(parts);
    writeFileSync(join(folder, 'mine.json'), JSON.stringify(suite));
    ended = await runKora(folder, '--suite', './mine.json', '--out', 'run');
    expect(ended.stderr).toContain('1 cell to do');
    expect(ended.code, ended.stderr + ended.stdout).toBe(0);
    const { cells } = await readPlan(join(folder, 'run'));
    const [found] = await readRecords(join(folder, 'run'), [cells[0]!.id]);
    record = found as DoneRecord;
  });

  test('the record has the metric as its task defines it, with a sensible value', () => {
    const [phase] = record.phases;
    expect(phase!.metrics).toMatchObject([
      { key: 'angleError', unit: '°', direction: 'lower', primary: true },
    ]);
    const { values, examples } = phase!.draws[0]!.evaluations[0]!;
    expect(examples).toBe(10);
    // An answer of 0 is wrong by 45° on average.
    expect(values['angleError']).toBeGreaterThan(0);
    expect(values['angleError']).toBeLessThan(35);
  });

  test('the printed table and the report show the metric by its label and unit, with its digits', () => {
    const shown = record.phases[0]!.draws[0]!.evaluations[0]!.values['angleError']!.toFixed(2);
    expect(ended.stdout).toContain('angle error °');
    expect(ended.stdout).toContain(shown);
    const page = readFileSync(join(folder, 'run', 'report.html'), 'utf8');
    expect(page).toContain('angle error °');
    expect(page).toContain('Mean absolute difference from the true angle, degrees.');
    expect(page).toContain(`<td class="number">${shown}</td>`);
  });

  test('the scores of every example give the metric back', () => {
    const { scores, values } = record.phases[0]!.draws[0]!.evaluations[0]!;
    const rows = parse(readFileSync(join(folder, 'run', scores!), 'utf8'), { columns: true }) as {
      path: string;
      error: string;
    }[];
    expect(rows.map(({ path }) => path)).toEqual(Array.from({ length: 10 }, (_, i) => `test/${i}.png`));
    const mean = rows.reduce((sum, { error }) => sum + Number(error), 0) / rows.length;
    expect(mean).toBeCloseTo(values['angleError']!, 6);
  });

  test('the protocol took its examples, with its options, and its finding is reported', () => {
    const [phase] = record.phases;
    expect(phase!.protocol).toEqual({ name: 'every-nth', options: { n: 2 } });
    expect(phase!.draws[0]!.train.examples).toBe(16);
    expect(record.findings).toMatchObject([
      { code: 'EVERY_NTH', where: 'angle/every-nth', evidence: { n: 2 } },
    ]);
    expect(ended.stdout).toContain('EVERY_NTH (angle/every-nth');
  });

  test('the record names every plugin with its version and digest, and this suite’s packages', () => {
    const version = '1.2.3';
    expect(record.code.plugins).toHaveLength(5);
    const digest = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
    const expected = { version, digest };
    expect(record.code.plugins).toContainEqual({ name: 'kora-toy-angle/task', kind: 'tasks', ...expected });
    expect(record.code.plugins).toContainEqual({
      name: 'kora-toy-angle/backend',
      kind: 'backends',
      ...expected,
    });
    const own = JSON.parse(readFileSync(join(dirname(bin), '..', 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(record.code.packages['@kora-bench/bench']).toBe(own.version);
    expect(record.environment.backend).toEqual({ 'primitives-alone': version });
  });

  test('the backend without composites gives the numbers of one that has them all', async () => {
    const { code } = await runKora(
      folder,
      ...['--suite', './mine.json', '--backend', 'reference', '--out', 'reference'],
    );
    expect(code).toBe(0);
    const { cells } = await readPlan(join(folder, 'reference'));
    const [other] = (await readRecords(join(folder, 'reference'), [cells[0]!.id])) as DoneRecord[];
    const errorOf = ({ phases }: DoneRecord) => phases[0]!.draws[0]!.evaluations[0]!.values['angleError']!;
    expect(errorOf(record)).toBeCloseTo(errorOf(other!), 5);
  });

  describe('scripts/check-records.mjs', () => {
    const script = fileURLToPath(new URL('../../../scripts/check-records.mjs', import.meta.url));
    const check = (run: string) => spawnSync(process.execPath, [script, run], { encoding: 'utf8' });

    test('passes the run', () => {
      const { status, stdout, stderr } = check(join(folder, 'run'));
      expect(status, stderr).toBe(0);
      expect(stdout).toContain('1 valid records');
    });

    interface Paths {
      readonly record: string;
      readonly scores: string;
    }
    const edit = (path: string, change: (text: string) => string) => {
      const before = readFileSync(path, 'utf8');
      const after = change(before);
      expect(after).not.toBe(before);
      writeFileSync(path, after);
    };
    const damages: [string, RegExp, (paths: Paths) => void][] = [
      [
        'a short file of scores',
        /has 9 lines for 10 examples/,
        ({ scores }) => edit(scores, (text) => text.slice(0, text.trimEnd().lastIndexOf('\n') + 1)),
      ],
      ['a missing file of scores', /there is no scores\//, ({ scores }) => rmSync(scores)],
      ['a missing record', /there is no record/, ({ record: path }) => rmSync(path)],
      [
        'a metric without a value',
        /angle, test: angleError is null/,
        ({ record: path }) =>
          edit(path, (text) => text.replace(/"angleError": [\d.]+/, '"angleError": null')),
      ],
      [
        'another phase than planned',
        /has the phases other; the plan has angle/,
        ({ record: path }) =>
          edit(path, (text) =>
            text.replace(/"name": "angle",\s+"from": null,\s+"task": {/, (found) =>
              found.replace('angle', 'other'),
            ),
          ),
      ],
      [
        'a record of the first form',
        /schemaVersion/,
        ({ record: path }) => edit(path, (text) => text.replace('"schemaVersion": 2', '"schemaVersion": 1')),
      ],
    ];
    test.each(damages)('refuses %s', (_what, says, damage) => {
      const run = join(temporaryFolder(), 'run');
      cpSync(join(folder, 'run'), run, { recursive: true });
      const { scores } = record.phases[0]!.draws[0]!.evaluations[0]!;
      damage({ record: join(run, 'records', `${record.cell.id}.json`), scores: join(run, scores!) });
      const { status, stderr } = check(run);
      expect(stderr).toMatch(says);
      expect(status).toBe(1);
    });
  });

  test('list shows them beside the suite’s own', async () => {
    const { stdout } = await runKora(folder, 'list', '--json');
    const listed = JSON.parse(stdout) as Record<string, { name: string }[]>;
    const names = (kind: string) => listed[kind]!.map(({ name }) => name);
    expect(names('tasks')).toEqual(expect.arrayContaining(['classification', 'toy-angle']));
    expect(names('datasets')).toContain('toy-gradients');
    expect(names('protocols')).toContain('every-nth');
    expect(names('models')).toContain('toy-backbone');
    expect(names('backends')).toContain('primitives-alone');
  });

  test('a task that its data cannot serve is refused with the data sets that can', async () => {
    const { code, stderr } = await runKora(
      folder,
      ...['--suite', './mine.json', '--data', 'angle=procedural-source', '--out', 'other'],
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/expected: +data with value \(a few numbers per image\): one of .*toy-gradients/);
  });
});

test('a task that throws while a cell runs fails that cell and loses nothing else', async () => {
  const folder = ownFolder(parts);
  const task = join(folder, 'node_modules', 'kora-toy-angle', 'task.js');
  writeFileSync(
    task,
    readFileSync(task, 'utf8').replace('let sum = 0;', "throw new RangeError('no such angle');"),
  );
  const classification = {
    name: 'classes',
    task: 'classification',
    data: 'procedural-source',
    training: { epochs: 1, batchSize: 50 },
    limits: { trainExamples: 100, testExamples: 100 },
  };
  writeFileSync(join(folder, 'mine.json'), JSON.stringify({ ...suite, seeds: [0, 1] }));
  writeFileSync(join(folder, 'sound.json'), JSON.stringify({ ...suite, phases: [classification] }));
  const broken = await runKora(folder, '--suite', './mine.json', '--out', 'broken');
  expect(broken.code).toBe(1);
  expect(broken.stdout.match(/UNEXPECTED: no such angle/g)).toHaveLength(2);
  expect((await readPlan(join(folder, 'broken'))).cells).toHaveLength(2);
  const sound = await runKora(folder, '--suite', './sound.json', '--out', 'sound');
  expect(sound.code, sound.stderr).toBe(0);
});

test('a plugin that throws when it is loaded is named with the line at fault', async () => {
  const folder = ownFolder({ tasks: ['./broken.mjs'] });
  writeFileSync(join(folder, 'broken.mjs'), "\n  throw new TypeError('no such table');\n");
  const { code, stderr } = await runKora(folder, 'list', 'tasks');
  expect(code).toBe(2);
  expect(stderr).toMatch(/received: +no such table/);
  expect(stderr).toMatch(/fix: +Correct the plugin at file:.*broken\.mjs:2:9/);
});
