// What `ci compare` says of changes whose effect is known, in a repository of its own with a method and an engine in one
// file each: an accuracy regression and a slow-down are planted, code is reordered, and the same commit is compared with itself.
//
//     node packages/bench/bench/planted-regressions.mjs [repetitions of the same commit, 10] [folder]
//
// With a folder, what is there of an earlier call is taken over. Exits with 1 unless there are exactly two alarms: the regression, which fails the check, and the slow-down, which informs.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repetitions = Number(process.argv[2] ?? 10);
const work = resolve(process.argv[3] ?? mkdtempSync(join(tmpdir(), 'kora-planted-')));
const bin = fileURLToPath(new URL('../bin/kora-bench.js', import.meta.url));
const repository = join(work, 'repository');

const method = ({ start = 'start', sum = 'add(add(scaled, first), second)' } = {}) => `
import { requireSites } from '@kora-bench/core/nn';
import { add, mul } from '@kora-bench/core/ops';
import { defineMethod } from '@kora-bench/core/peft';
import { z } from 'zod';

export default defineMethod({
  name: 'mine',
  description: 'A trained factor and two offsets per hidden unit of every MLP.',
  source: 'planted-regressions.mjs',
  options: z.strictObject({ start: z.number().default(1) }),
  parameters: (model, { start }) =>
    requireSites(model, ['mlp.act']).flatMap(({ name, outFeatures }) => [
      { name: \`\${name}.scale\`, shape: [outFeatures], init: { kind: 'constant', value: ${start} } },
      { name: \`\${name}.first\`, shape: [outFeatures], init: { kind: 'constant', value: 0 } },
      { name: \`\${name}.second\`, shape: [outFeatures], init: { kind: 'constant', value: 0.01 } },
    ]),
  attach: ({ parameter }) => ({
    value: ({ name, kind, value }) => {
      if (kind !== 'mlp.act') return value;
      const scaled = mul(value, parameter(\`\${name}.scale\`));
      const first = parameter(\`\${name}.first\`);
      const second = parameter(\`\${name}.second\`);
      return ${sum};
    },
  }),
});
`;

/** onnxruntime, which waits in every training step. */
const engine = ({ milliseconds = 0 } = {}) => `
import ort from '@kora-bench/backend-ort';

const milliseconds = ${milliseconds};

export default {
  ...ort,
  name: 'engine',
  async create(device, options) {
    const backend = await ort.create(device, options);
    return {
      ...backend,
      name: 'engine',
      dispose: () => backend.dispose(),
      createState: (values) => backend.createState(values),
      async compile(program, weights) {
        const executable = await backend.compile(program, weights);
        if (program.updates.size === 0 || milliseconds === 0) return executable;
        return {
          dispose: () => executable.dispose(),
          async run(options) {
            const end = performance.now() + milliseconds;
            const result = await executable.run(options);
            while (performance.now() < end);
            return result;
          },
        };
      },
    };
  },
};
`;

const suite = {
  methods: [{ name: 'mine' }],
  backends: [{ name: 'engine' }],
  models: ['vit_micro_patch8_64'],
  seeds: [0],
  phases: [{ name: 'source', task: 'classification', data: 'procedural-source' }],
  training: { epochs: 1, batchSize: 8, learningRate: 0.005 },
  limits: { trainExamples: 200, testExamples: 500 },
};

const git = (...words) =>
  execFileSync('git', ['-C', repository, '-c', 'user.name=a', '-c', 'user.email=a@localhost', ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

function commit(branch, files) {
  git('switch', '--quiet', '--create', branch, ...(branch === 'main' ? [] : ['main']));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(repository, name), content);
  git('add', '.');
  git('commit', '--quiet', '--message', branch);
}

if (!existsSync(repository)) {
  mkdirSync(repository, { recursive: true });
  execFileSync('git', ['init', '--quiet', '--initial-branch', 'nothing', repository]);
  commit('main', {
    'kora.config.json': JSON.stringify({ plugins: { methods: ['./mine.mjs'], backends: ['./engine.mjs'] } }),
    'suite.json': JSON.stringify(suite),
    'mine.mjs': method(),
    'engine.mjs': engine(),
  });
  commit('less-accurate', { 'mine.mjs': method({ start: '0.2 * start' }) });
  commit('slower', { 'engine.mjs': engine({ milliseconds: 600 }) });
  commit('reordered', { 'mine.mjs': method({ sum: 'add(add(scaled, second), first)' }) });
}

/** A comparison with main: its exit code, and its alarms. */
function compared(head, name) {
  const out = join(work, name);
  const result = join(out, 'comparison.json');
  if (!existsSync(result)) {
    rmSync(out, { recursive: true, force: true });
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        ...[bin, 'ci', 'compare', '--base', 'main', '--head', head, '--suite', './suite.json'],
        ...['--speed-rounds', '6', '--out', out, '--', '--no-estimate'],
      ],
      { cwd: repository, encoding: 'utf8', env: { ...process.env, KORA_CACHE_DIR: join(work, 'cache') } },
    );
    if (!existsSync(result)) {
      console.error(stderr);
      throw new Error(`The comparison of ${head} ended with exit code ${status}.`);
    }
    writeFileSync(join(out, 'exit-code'), String(status));
  }
  const status = Number(readFileSync(join(out, 'exit-code'), 'utf8'));
  const { alarms, comparisons } = JSON.parse(readFileSync(result, 'utf8'));
  const [{ cells }, speed] = comparisons;
  const told = alarms.map(
    ({ gates, measure, difference }) => `${gates ? 'fails' : 'informs'}: ${measure} ${difference}`,
  );
  console.log(
    `${name}: exit code ${status}, ${told.length === 0 ? 'no alarm' : told.join('; ')} (results: ${cells[0].likeness}; ${speed.rows.length} measures of speed and memory)`,
  );
  return { status, alarms, measured: speed.rows.length > 0 };
}

const problems = [];
const expectThat = (holds, what) => {
  if (!holds) problems.push(what);
};

const regression = compared('less-accurate', 'less accurate');
expectThat(regression.status === 1, 'The regression does not fail the check.');
expectThat(
  regression.alarms.some(({ gates, measure }) => gates && measure.includes('top-1')),
  'The regression is not found in the accuracy.',
);
expectThat(
  !regression.alarms.some(({ measure }) => measure === 'images/s'),
  'The regression is called slower.',
);

const slowdown = compared('slower', 'slower');
expectThat(slowdown.status === 0, 'The slow-down fails the check.');
expectThat(
  slowdown.alarms.length > 0 &&
    slowdown.alarms.every(({ gates, measure }) => !gates && measure === 'images/s'),
  'The slow-down is not told, or as something else.',
);

const others = [
  compared('reordered', 'reordered'),
  ...Array.from({ length: repetitions }, (_, i) => compared('main', `the same commit, ${i + 1}`)),
];
const falseAlarms = others.filter(({ status, alarms }) => status !== 0 || alarms.length > 0).length;
expectThat(falseAlarms === 0, `${falseAlarms} false alarms.`);

const all = [regression, slowdown, ...others];
expectThat(
  all.every(({ measured }) => measured),
  'Speed could not be measured in every comparison.',
);
const alarmed = all.filter(({ alarms }) => alarms.length > 0).length;
console.log(
  `${all.length} comparisons: ${alarmed} with an alarm (wanted: 2), ${falseAlarms} false ones (wanted: 0)`,
);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
