import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import definition from '@kora-bench/backend-ort';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { linear } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { ownIdentity } from '@kora-bench/platform-node/process-identity';
import { afterEach, beforeEach, expect, it } from 'vitest';

let temporary: string;
const before = process.env['TMPDIR'];
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'kora-bench-test-'));
  process.env['TMPDIR'] = temporary;
});
afterEach(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  rmSync(temporary, { recursive: true, force: true });
});

/** The engine leaves a log of its own there. */
const weightFolders = () => readdirSync(temporary).filter((name) => name.startsWith('kora-bench-weights-'));

const width = 256;
/** w[o, i] = o + 1 where o = i: a product scales each feature by its place. */
const weight = hostTensor(
  [width, width],
  Float32Array.from({ length: width * width }, (_, at) =>
    at % (width + 1) === 0 ? at / (width + 1) + 1 : 0,
  ),
);

/** Two programs that share a weight of 256 KiB, each with a small one of its own. */
async function twoPrograms() {
  const backend = await definition.create('cpu', definition.options.parse({ threads: 1 }));
  const products = [];
  for (const offset of [10, 20]) {
    const builder = new GraphBuilder();
    const bias = builder.frozen('bias', [width]);
    const y = linear(builder.feed('x', [1, width]), builder.frozen('w', [width, width]), bias);
    const own = hostTensor([width], new Float32Array(width).fill(offset));
    products.push(
      await backend.compile(makeProgram({ y }), new Map([...[['w', weight] as const], ['bias', own]])),
    );
  }
  return { backend, products };
}

it('holds large frozen weights once for all programs, until the backend is disposed of', async () => {
  const { backend, products } = await twoPrograms();
  const [folder, ...others] = weightFolders();
  expect(others).toEqual([]);
  expect(statSync(join(temporary, folder!, 'weights.bin')).size).toBe(4 * width * width);
  const x = hostTensor([1, width], new Float32Array(width).fill(2));
  for (const [i, program] of products.entries()) {
    const { y } = await program.run({ feeds: { x }, fetch: ['y'] });
    expect([...y!.data]).toEqual(Array.from({ length: width }, (_, place) => 2 * (place + 1) + 10 * (i + 1)));
  }
  await backend.dispose();
  expect(weightFolders()).toEqual([]);
});

it('deletes what a killed process left, and nothing of one that runs or of somebody unknown', async () => {
  // Only the first backend of a process cleans up, so this one gets a fresh process.
  const { pid } = spawnSync(process.execPath, ['--version']);
  const own = ownIdentity();
  const leave = (name: string, owner: object) => {
    const folder = join(temporary, `kora-bench-weights-${name}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'owner.json'), JSON.stringify(owner));
    return folder;
  };
  const [gone, running, elsewhere, nobody] = [
    leave('gone', { ...own, pid }),
    leave('running', own),
    leave('elsewhere', { ...own, pid, space: 'another machine' }),
    leave('nobody', {}),
  ];
  const script = `
    import definition from '@kora-bench/backend-ort';
    import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
    import { linear } from '@kora-bench/core/ops';
    import { makeProgram } from '@kora-bench/core/passes';
    const backend = await definition.create('cpu', definition.options.parse({ threads: 1 }));
    const builder = new GraphBuilder();
    const y = linear(builder.feed('x', [1, 256]), builder.frozen('w', [256, 256]));
    await backend.compile(makeProgram({ y }), new Map([['w', hostTensor([256, 256], new Float32Array(256 * 256))]]));`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(weightFolders().map((name) => join(temporary, name))).toEqual(
    [elsewhere, nobody, running].toSorted(),
  );
  expect(existsSync(gone)).toBe(false);
});

it('can be opened and disposed of many times, without a trace', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => void warnings.push(warning);
  process.on('warning', note);
  for (let i = 0; i < 12; i++) await (await twoPrograms()).backend.dispose();
  await new Promise(setImmediate);
  process.off('warning', note);
  expect(warnings).toEqual([]);
  expect(weightFolders()).toEqual([]);
});

it('a folder that cannot be written to: the reason and the fix', async () => {
  process.env['TMPDIR'] = join(temporary, 'missing');
  await expect(twoPrograms()).rejects.toMatchObject({
    code: 'BACKEND',
    where: join(temporary, 'missing'),
    received: expect.stringContaining('ENOENT'),
    fix: expect.stringContaining('TMPDIR'),
  });
});
