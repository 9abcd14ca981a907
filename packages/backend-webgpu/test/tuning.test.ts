import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import definition from '@kora-bench/backend-webgpu';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { matmul } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withAdapter } from './with-adapter.js';

const timeout = 120_000;
const n = 48;
const matrix = hostTensor(
  [n, n],
  Float32Array.from({ length: n * n }, (_, i) => Math.sin(i)),
);

/** The product of a matrix with itself on a new backend that measures tiles. */
async function multiply(): Promise<ArrayLike<number>> {
  const backend = await definition.create(
    'gpu',
    definition.options.parse({ kernels: 'workgroup', tune: true }),
  );
  const builder = new GraphBuilder();
  const program = makeProgram({ y: matmul(builder.feed('x', [n, n]), builder.frozen('w', [n, n])) });
  const executable = await backend.compile(program, new Map([['w', matrix]]));
  const { y } = await executable.run({ feeds: { x: matrix }, fetch: ['y'] });
  await backend.dispose();
  return y!.data;
}

function expected(row: number, column: number): number {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += matrix.data[row * n + k]! * matrix.data[k * n + column]!;
  return sum;
}

withAdapter(() => {
  describe('tuning', { timeout }, () => {
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kora-tiles-'));
      vi.stubEnv('KORA_CACHE_DIR', folder);
    });
    afterEach(() => {
      vi.unstubAllEnvs();
    });
    const tileFile = async () => {
      const [name] = await readdir(join(folder, 'webgpu-tiles'));
      return join(folder, 'webgpu-tiles', name!);
    };

    it('keeps what it found, and takes it the next time', async () => {
      const first = await multiply();
      expect(first[5 * n + 7]).toBeCloseTo(expected(5, 7), 4);
      const path = await tileFile();
      const stored = JSON.parse(await readFile(path, 'utf8')) as { tiles: Record<string, { rows: number }> };
      const [key] = Object.keys(stored.tiles);
      expect(stored.tiles[key!]!.rows % 4).toBe(0);
      const other = { rows: 32, columns: 16, depth: 8, laneRows: 4, laneColumns: 4 };
      const content = JSON.stringify({ ...stored, tiles: { [key!]: other } });
      await writeFile(path, content);
      const second = await multiply();
      expect(second[5 * n + 7]).toBeCloseTo(expected(5, 7), 4);
      expect(await readFile(path, 'utf8')).toBe(content);
    });

    it('finds it again where the file is not what it should be', async () => {
      await multiply();
      const path = await tileFile();
      await writeFile(path, '{"tiles": {"1x48x48:48k4l4": {"rows": 3}}');
      const again = await multiply();
      expect(again[5 * n + 7]).toBeCloseTo(expected(5, 7), 4);
      expect(JSON.parse(await readFile(path, 'utf8'))).toHaveProperty('tiles');
    });
  });
});
