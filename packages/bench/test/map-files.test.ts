import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readMaps, writeMaps } from '../src/records/map-files.js';
import { temporaryFolder } from './fake-run.js';

test('masks come back as they were; large ones with every n-th pixel', async () => {
  const folder = temporaryFolder();
  const [height, width] = [192, 100];
  const values = Float64Array.from({ length: height * width }, (_, i) => Math.floor(i / width));
  await writeMaps(folder, 'maps/a.json', { kind: 'mask', height, width, maps: [{ path: 'x.png', values }] });
  const read = (await readMaps(folder, 'maps/a.json'))!;
  expect([read.kind, read.height, read.width, read.maps[0]!.path]).toEqual(['mask', 96, 50, 'x.png']);
  expect(read.maps[0]!.values[50 * 3 + 7]).toBe(6);
});

test('depth is kept in 255 steps of its largest value', async () => {
  const folder = temporaryFolder();
  const values = Float64Array.of(0, 1.234, 5.1, 2);
  await writeMaps(folder, 'm.json', { kind: 'depth', height: 2, width: 2, maps: [{ path: 'x', values }] });
  const [map] = (await readMaps(folder, 'm.json'))!.maps;
  for (const [i, metres] of values.entries()) expect(Math.abs(map!.values[i]! - metres)).toBeLessThan(0.0101);
});

test('a file that is not there or damaged costs the pictures alone', async () => {
  const folder = temporaryFolder();
  expect(await readMaps(folder, 'none.json')).toBeNull();
  writeFileSync(join(folder, 'cut.json'), '{"schemaVersion":2');
  expect(await readMaps(folder, 'cut.json')).toBeNull();
  const text = {
    schemaVersion: 2,
    kind: 'mask',
    height: 1,
    width: 1,
    step: 1,
    maps: [{ path: 'x', values: 'AAAA' }],
  };
  writeFileSync(join(folder, 'bad.json'), JSON.stringify(text));
  expect(await readMaps(folder, 'bad.json')).toBeNull();
});
