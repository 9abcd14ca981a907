import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { matrixProduct } from '@kora-bench/testing/timed-programs';
import { ourProduct } from '../our-side.mjs';
import { record, recordArgument } from '../record.mjs';
import { alternate, seconds } from '../rounds.mjs';
import { numbers, rowTable, words } from '../row-table.mjs';
import { describePeer, openPeer, pythonArgument } from './pytorch-side.mjs';
import { sampledError } from './sampled-error.mjs';

/*
 * Products of two square matrices in f32 and in f16, with and without subgroup matrices where the GPU has them,
 * beside PyTorch's with TF32 off and on; rounds in turn.
 *   node bench/gpu/compare-products.mjs [--size 4096] [--rounds 7] [--products 20] [--options JSON]
 *     [--python python3] [--record FILE]
 */
const { values: args } = parseArgs({
  options: {
    ...pythonArgument,
    ...recordArgument,
    size: { type: 'string', default: '4096' },
    rounds: { type: 'string', default: '7' },
    products: { type: 'string', default: '20' },
    options: { type: 'string', default: '{}' },
  },
});
const [size, rounds, count] = ['size', 'rounds', 'products'].map((name) => Number(args[name]));
const options = JSON.parse(args.options);
const peer = await openPeer(args.python);
const product = matrixProduct(size);
const withoutMatrices = { disabledFeatures: [...(options.disabledFeatures ?? []), 'subgroupMatrix'] };

/** Our products of one precision beside PyTorch's: `beside` holds its settings and our goal. */
const precisions = [
  {
    name: 'f32',
    options: {},
    dtype: 'float32',
    beside: [
      { name: 'f32, TF32 off', tf32: false, goal: 0.6 },
      { name: 'f32, TF32 on', tf32: true },
    ],
  },
  {
    name: 'f16',
    options: { precision: 'f16' },
    dtype: 'float16',
    beside: [{ name: 'f16', tf32: false, goal: 0.4 }],
  },
];

let print;
for (const precision of precisions) {
  const used = await measure(precision, precision.options);
  if (used.matrices) await measure(precision, { ...precision.options, ...withoutMatrices });
}
peer?.stop();
process.exit();

/**
 * Prints and records a row for each way of PyTorch.
 * @returns whether the GPU has subgroup matrices
 */
async function measure({ name, dtype, beside }, own) {
  const backend = await definition.create('gpu', definition.options.parse({ ...options, ...own }));
  const { features, precision } = backend.versions;
  const matrices = features.includes('subgroupMatrix');
  print ??= openTable(backend);
  const ours = await ourProduct(backend, product);
  const error = sampledError(product, size, await ours.result());
  await ours.round(3);
  const sides = { kora: async () => (await seconds(() => ours.round(count))) / count };
  for (const way of peer === undefined ? [] : beside) {
    sides[way.name] = () => peer.call('product', { n: size, dtype, count, tf32: way.tf32 });
  }
  const times = await alternate(sides, rounds);
  const label = `${name}${precision === name ? '' : ` (as ${precision})`}${matrices ? ', subgroup matrices' : ''}`;
  const rate = (time) => (time === undefined ? undefined : product.flops / time / 1e12);
  for (const { name: theirs, goal } of beside) {
    const time = times[theirs];
    const share = time && time / times.kora;
    print(
      label,
      rate(times.kora).toFixed(3),
      theirs,
      rate(time)?.toFixed(3) ?? '',
      share?.toFixed(3) ?? '',
      goal ?? '',
      error.toExponential(1),
    );
    record(args.record, 'products', {
      size,
      ours: { precision, matrices, options: { ...options, ...own }, seconds: times.kora, error },
      pytorch: { name: theirs, ...peer?.about, seconds: time },
      share,
      goal,
    });
  }
  await backend.dispose();
  return { matrices };
}

function openTable({ device, versions }) {
  console.log(`${size}³ on ${device} (${versions.driver ?? 'driver unknown'}), beside ${describePeer(peer)}`);
  console.log(`medians of ${rounds} rounds; error: of 64 elements, as a part of the largest`);
  return rowTable([
    words('ours', 26),
    numbers('TFLOP/s', 9),
    words('PyTorch', 14),
    numbers('TFLOP/s', 9),
    numbers('ours/PyTorch'),
    numbers('goal', 5),
    numbers('error', 8),
  ]);
}
