import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { add } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { matrixProduct, vitLoraStep } from '@kora-bench/testing/timed-programs';
import { kernelRows } from './kernel-rows.mjs';
import { modelArguments, modelOf } from './model-arguments.mjs';
import { record, recordArgument } from './record.mjs';

/*
 * Time, FLOPs and bytes of each kind of kernel in a training step, from the device's timestamps, beside the
 * best product and the best copy of the same run.
 *   node bench/kernel-table.mjs [--batch 2] [--rows 40] [--products 512,1024] [--options JSON] [--json]
 *     [--record FILE]
 * On a GPU, --products 2048,4096,8192 and --copy 268435456, which no cache holds.
 * A smaller model for a try: --depth 2 --width 64 --heads 1 --image 64
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 192, heads: 3 }),
    ...recordArgument,
    batch: { type: 'string', default: '2' },
    rows: { type: 'string', default: '40' },
    products: { type: 'string', default: '512,1024' },
    copy: { type: 'string', default: String(2 ** 24) },
    options: { type: 'string', default: '{}' },
    json: { type: 'boolean', default: false },
  },
});
const backend = await definition.create('gpu', definition.options.parse(JSON.parse(args.options)));

/** The kernels of the program's fastest of `repeats` runs, after one that warms up. */
async function fastestRun({ program, weights = new Map(), state: values, feeds = () => ({}) }, repeats = 4) {
  const executable = await backend.compile(program, weights);
  if (executable.profile === undefined) {
    throw new Error(`${backend.name} has no profile of its kernels; expected an executable with "profile".`);
  }
  const state = await backend.createState(values);
  let best;
  for (let i = 0; i <= repeats; i++) {
    const { kernels } = await executable.profile({ feeds: feeds(i), state, fetch: [] });
    const time = kernels.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
    if (i > 0 && !(time >= best?.time)) best = { kernels, time };
  }
  await state.dispose();
  await executable.dispose();
  return best.kernels;
}

/** Reads `length` numbers and writes as many: `x + 1`. */
function copyProgram(length) {
  const builder = new GraphBuilder();
  const values = hostTensor([length], new Float32Array(length));
  return { program: makeProgram({ y: add(builder.state('x', [length]), 1) }), state: { x: values } };
}

const best = (kernels, of) => Math.max(...kernels.map((kernel) => (of(kernel) / kernel.nanoseconds) * 1e9));
const productRates = [];
for (const n of args.products.split(',').map(Number))
  productRates.push(best(await fastestRun(matrixProduct(n)), ({ flops }) => flops));
const limits = {
  flops: Math.max(...productRates),
  bytes: best(await fastestRun(copyProgram(Number(args.copy))), ({ bytes }) => bytes),
};
const model = modelOf(args);
const kernels = await fastestRun(vitLoraStep(Number(args.batch), { model }), 3);
const rows = kernelRows(kernels, limits);

const date = new Date().toISOString().slice(0, 10);
const result = { date, device: backend.device, model: model.config, batch: Number(args.batch), limits, rows };
record(args.record, 'kernels', result);

if (args.json) {
  console.log(JSON.stringify(result, undefined, 2));
} else {
  const giga = (value) => (value / 1e9).toFixed(1);
  const total = rows.reduce((sum, { seconds }) => sum + seconds, 0);
  console.log(
    `${backend.device}: ${model.name}, LoRA step, batch ${args.batch}: ${kernels.length} kernels, ` +
      `${(total * 1000).toFixed(1)} ms; best product ${giga(limits.flops)} GFLOP/s, best copy ${giga(limits.bytes)} GB/s`,
  );
  const columns = (cells) => cells.map((cell) => cell.padStart(10)).join('');
  console.log(`${columns(['ms', 'share %', 'count', 'MFLOP', 'MB', 'GFLOP/s', 'GB/s', 'limit %'])}  kernel`);
  for (const row of rows.slice(0, Number(args.rows))) {
    const cells = [
      (row.seconds * 1000).toFixed(3),
      (row.share * 100).toFixed(1),
      String(row.count),
      (row.flops / 1e6).toFixed(1),
      (row.bytes / 1e6).toFixed(1),
      giga(row.flopsPerSecond),
      giga(row.bytesPerSecond),
      (row.ofLimit * 100).toFixed(0),
    ];
    console.log(`${columns(cells)}  ${row.label}`);
  }
}
await backend.dispose();
process.exit(0);
