import { hostTensor } from '@kora-bench/core/graph';
import { interpolatePositionEmbedding } from '@kora-bench/core/nn';
import { expect, test } from 'vitest';
import { readFixture } from './checkpoint-folder.js';
import { maxDistance } from './forward.js';

type Grid = [rows: number, columns: number];
interface Fixture {
  groups: { from: Grid; width: number; embedding: number[]; cases: { to: Grid; embedding: number[] }[] }[];
}

const { groups } = await readFixture<Fixture>('position-embedding');
const cases = groups.flatMap((group) =>
  group.cases.map((each) => ({ ...group, ...each, source: group.embedding })),
);

test.each(cases)('interpolates from $from to $to as timm’s resample_abs_pos_embed', (given) => {
  const { from, to, width, source, embedding } = given;
  const tensor = hostTensor([1, from[0] * from[1] + 1, width], Float32Array.from(source));
  const found = interpolatePositionEmbedding(tensor, from, to);
  expect(found.shape).toEqual([1, to[0] * to[1] + 1, width]);
  expect(maxDistance(found.data, embedding)).toBeLessThan(2e-6);
});
