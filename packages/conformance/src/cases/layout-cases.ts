import {
  broadcastTo,
  cast,
  concat,
  constant,
  mul,
  narrow,
  oneHot,
  pad,
  reshape,
  slice,
  transpose,
  where,
} from '@kora-bench/core/ops';
import { booleans, integers, listed } from '../values/case-inputs.js';
import type { OpCase } from './op-case.js';

export const layoutCases: readonly OpCase[] = [
  {
    name: 'reshape',
    build: ({ feed }) => ({
      'to rank 0': reshape(feed([1, 1]), []),
      'from rank 0': reshape(feed([]), [1, 1, 1]),
      flat: reshape(feed([2, 3, 5]), [30]),
      split: reshape(feed([197, 12]), [197, 3, 2, 2]),
      i32: reshape(feed([6], integers(9)), [2, 3]),
      bool: reshape(feed([6], booleans), [3, 2]),
    }),
  },
  {
    name: 'transpose',
    build: ({ feed }) => ({
      matrix: transpose(feed([197, 33])),
      'extent 1': transpose(feed([1, 7, 1]), [2, 0, 1]),
      heads: transpose(feed([2, 5, 3, 4]), [0, 2, 1, 3]),
      rotation: transpose(feed([2, 3, 5]), [2, 0, 1]),
      'rank 5': transpose(feed([2, 3, 2, 5, 3]), [4, 1, 3, 0, 2]),
      i32: transpose(feed([3, 5], integers(9))),
      bool: transpose(feed([3, 5], booleans)),
    }),
  },
  {
    name: 'broadcastTo',
    build: ({ feed }) => ({
      scalar: broadcastTo(feed([]), [3, 5]),
      row: broadcastTo(feed([5]), [2, 3, 5]),
      column: broadcastTo(feed([3, 1]), [3, 197]),
      'rank 5': broadcastTo(feed([2, 1, 3, 1]), [4, 2, 5, 3, 7]),
      i32: broadcastTo(feed([1, 3], integers(9)), [4, 3]),
    }),
  },
  {
    name: 'slice',
    build: ({ feed }) => ({
      vector: slice(feed([197]), [13], [101]),
      'one element': slice(feed([3, 5]), [2, 4], [3, 5]),
      block: slice(feed([4, 5, 6]), [1, 0, 2], [3, 5, 5]),
      'rank 5': slice(feed([2, 3, 2, 3, 5]), [1, 0, 0, 1, 2], [2, 2, 2, 3, 5]),
      i32: narrow(feed([7, 3], integers(9)), 0, 2, 5),
    }),
  },
  {
    name: 'slices of one value',
    build: ({ feed }) => {
      const x = feed([3, 12]);
      return {
        first: narrow(x, 1, 1, 4),
        neighbour: narrow(x, 1, 4, 6),
        'behind a gap': narrow(x, 1, 8, 12),
        overlapping: narrow(x, 1, 3, 9),
        'another axis': narrow(x, 0, 1, 3),
        corner: slice(x, [1, 2], [2, 5]),
      };
    },
  },
  {
    name: 'pad',
    build: ({ feed }) => ({
      vector: pad(feed([5]), [2], [3]),
      'one side': pad(feed([3, 5]), [0, 2], [0, 0]),
      all: pad(feed([2, 1, 3]), [1, 0, 2], [0, 3, 1]),
      'rank 5': pad(feed([1, 2, 1, 2, 3]), [0, 1, 0, 1, 0], [1, 0, 0, 2, 0]),
    }),
  },
  {
    name: 'concat',
    build: ({ feed }) => {
      const x = feed([2, 3, 5]);
      return {
        first: concat([feed([1, 5]), feed([197, 5])], 0),
        last: concat([feed([3, 1]), feed([3, 5]), feed([3, 2])], -1),
        middle: concat([x, feed([2, 1, 5]), x], 1),
        'rank 5': concat([feed([2, 1, 3, 1, 2]), feed([2, 1, 3, 4, 2])], 3),
        many: concat(
          Array.from({ length: 40 }, (_, i) => feed([1 + (i % 3)])),
          0,
        ),
        i32: concat([feed([2], integers(9)), feed([3], integers(9))], 0),
      };
    },
  },
  {
    name: 'oneHot',
    build: ({ feed }) => ({
      vector: oneHot(feed([197], integers(5)), 5),
      matrix: oneHot(feed([3, 4], integers(7)), 7),
      scalar: oneHot(feed([], integers(3)), 3),
      'depth 1': oneHot(feed([3], listed([0], 'i32')), 1),
      'out of range': oneHot(feed([4], listed([-1, 0, 3, 2], 'i32')), 3),
    }),
  },
  {
    name: 'frozen tables of integers and masks',
    build: ({ feed, frozen }) => ({
      itself: frozen([7], integers(9)),
      mask: frozen([2, 3], booleans),
      'as numbers': mul(feed([3, 5]), cast(frozen([5], integers(9)), 'f32')),
      chosen: where(frozen([3, 5], booleans), feed([3, 5]), feed([5])),
      'one-hot': oneHot(frozen([4], integers(3)), 3),
    }),
  },
  {
    name: 'outputs that are sources',
    build: ({ builder, feed, frozen, stateOf }) => ({
      feed: feed([3]),
      frozen: frozen([2, 2]),
      state: stateOf([5]),
      'scalar constant': constant(builder, 0.1),
      'constant table': constant(builder, Float32Array.of(1, -2, 3.5, 0, 5, 6), [2, 3]),
      'i32 constant': constant(builder, Int32Array.of(3, -1)),
    }),
  },
];
