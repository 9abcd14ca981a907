import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { toyVitConfig } from './toy-vit.js';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const modules = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.js'),
);

/** What the package exports. */
const entries = readdirSync(dist).filter((file) => file.endsWith('.js'));

/** The text of a module without its comments; none of core's strings holds `//` or `/*`. */
function code(file: string): string {
  return readFileSync(join(dist, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

/*
 * A page as core sees it: none of the globals that Node adds to ECMAScript's, and reading one fails. Only
 * what browsers have too is left, e.g. TextDecoder.
 */
const page = `
  const print = console.log;
  const nodeOnly = ['process', 'Buffer', 'global', 'require', 'module', 'setImmediate', 'clearImmediate'];
  for (const name of nodeOnly) {
    delete globalThis[name];
    Object.defineProperty(globalThis, name, { get() { throw new Error('core read ' + name); } });
  }
  const core = Object.assign({}, ...(await Promise.all(ENTRIES.map((entry) => import(entry)))));
  const method = {
    definition: { name: 'none', parameters: () => [], options: undefined },
    options: {},
  };
  const model = core.vitArchitecture(MODEL);
  const task = {
    name: 'toy', metrics: [],
    parameters: ({ width }) => [
      { name: 'head.weight', shape: [3, width], init: { kind: 'zeros' } },
      { name: 'head.bias', shape: [3], init: { kind: 'zeros' } },
    ],
    predict: ({ features }, model, parameter) =>
      core.linear(features, parameter('head.weight'), parameter('head.bias')),
    targets: (model, batch) => [{ kind: 'label', shape: [batch], dtype: 'i32' }],
    loss: (logits, { label }) => core.crossEntropy(logits, label),
  };
  const { program, layout } = core.buildTrainProgram({
    model, method, task, batchSize: 2, stage: 'train', optimizer: core.defaultAdamW,
    trains: () => true,
  });
  const lowered = core.lowerComposites(program, new Set());
  const prefix = core.partitionFrozenPrefix(program, new Set(['images']));

  // x³ and its derivative at 2, by the ops' own evaluation.
  const b = new core.GraphBuilder();
  const x = b.feed('x', []);
  const y = core.mul(core.mul(x, x), x);
  const [dx] = core.gradients(y, [x]);
  const cube = core.makeProgram({ y, dx });
  const values = [];
  for (const { op, inputs, shape, dtype } of cube.nodes) {
    values.push(op.kind === 'feed'
      ? core.hostTensor([], Float64Array.of(2))
      : core.definitionOf(op).evaluate(op, inputs.map((id) => values[id]), { shape, dtype }));
  }
  const saved = core.writeSafetensors(new Map([['w', core.hostTensor([2], Float32Array.of(1, 2))]]));
  print(JSON.stringify({
    parameters: layout.length,
    composites: lowered.nodes.filter(({ op }) => core.compositeKinds.includes(op.kind)).length,
    prefixFlops: prefix.prefixFlops,
    cube: ['y', 'dx'].map((name) => values[cube.outputs.get(name)].data[0]),
    read: [...core.readSafetensors(saved, 'memory').tensors.get('w').data],
    random: core.randomStream(1, 'a').uniform() === core.randomStream(1, 'a').uniform(),
  }));
`;

describe('core in a browser', () => {
  it('is built', () => {
    expect(modules).toEqual(expect.arrayContaining(entries));
    expect(modules.length).toBeGreaterThan(50);
  });

  it('imports its own modules by their full path and, of packages, two that browsers run', () => {
    const foreign = modules.flatMap((file) =>
      [...code(file).matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]/g)]
        .map(([, specifier]) => `${file}: ${specifier}`)
        .filter((found) => !/: (?:\.{1,2}\/[\w./-]+\.js|zod|fastest-levenshtein)$/.test(found)),
    );
    expect(foreign).toEqual([]);
  });

  it('uses no global of Node', () => {
    const node = /(?<![.\w'"])(?:process|Buffer|global|__dirname|__filename|setImmediate|require)\s*[.([]/;
    expect(modules.filter((file) => node.test(code(file)))).toEqual([]);
  });

  it('traces, differentiates, lowers and evaluates without them', { timeout: 30_000 }, () => {
    const script = page
      .replace(
        'ENTRIES',
        JSON.stringify(entries.map((entry) => new URL(`../dist/${entry}`, import.meta.url).href)),
      )
      .replace('MODEL', JSON.stringify(toyVitConfig));
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      parameters: 784 + 16 + 65 * 16 + 2 * (32 + 816 + 272 + 32 + 1088 + 1040) + 32 + 51,
      composites: 0,
      prefixFlops: 0,
      cube: [8, 12],
      read: [1, 2],
      random: true,
    });
  });
});
