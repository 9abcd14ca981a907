import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { matrixProduct, vitLoraStep } from '@kora-bench/testing/timed-programs';
import { agreeingLosses, requireSameProduct } from './agreement.mjs';
import './dawn.mjs';
import { modelArguments, modelOf } from './model-arguments.mjs';
import { ourProduct, ourTrainStep } from './our-side.mjs';
import { alternate, seconds } from './rounds.mjs';
import { tfjsProduct } from './tfjs-peer/product.mjs';
import { tf } from './tfjs-peer/tfjs.mjs';
import { tfjsTrainStep } from './tfjs-peer/train-step.mjs';

/*
 * This backend beside tfjs on its webgpu backend: one process, one Dawn instance, one driver, rounds in turn.
 * First both sides must give the same product and the same losses of the first 5 steps.
 *   node bench/compare-tfjs.mjs [--batch 2] [--rounds 5] [--only matmul|step] [--options JSON] [--json]
 * A smaller model for a try: --depth 2 --width 64 --heads 1 --image 64
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 192, heads: 3 }),
    batch: { type: 'string', default: '2' },
    size: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '5' },
    products: { type: 'string', default: '4' },
    steps: { type: 'string', default: '1' },
    only: { type: 'string' },
    options: { type: 'string', default: '{}' },
    json: { type: 'boolean', default: false },
  },
});
const [batch, size, rounds, products, steps] = ['batch', 'size', 'rounds', 'products', 'steps'].map((name) =>
  Number(args[name]),
);
const backend = await definition.create('gpu', definition.options.parse(JSON.parse(args.options)));
const { info } = await navigator.gpu.requestAdapter();

/** Medians of both sides' rounds, in seconds per item of a round. */
async function compare(ours, theirs, count) {
  const round = (side) => async () => (await seconds(() => side.round(count))) / count;
  const { kora, tfjs } = await alternate({ kora: round(ours), tfjs: round(theirs) }, rounds);
  return { seconds: { kora, tfjs }, ratio: tfjs / kora };
}

async function compareProducts() {
  const product = matrixProduct(size);
  const [ours, theirs] = [await ourProduct(backend, product), tfjsProduct(product)];
  requireSameProduct(await ours.result(), await theirs.result());
  return { size, flops: product.flops, ...(await compare(ours, theirs, products)) };
}

async function compareSteps() {
  const model = modelOf(args);
  const step = vitLoraStep(batch, { model });
  const [ours, theirs] = [await ourTrainStep(backend, step), tfjsTrainStep(model.config, step)];
  const losses = await agreeingLosses({ kora: ours.next, tfjs: theirs.next });
  return { model: model.name, batch, losses, ...(await compare(ours, theirs, steps)) };
}

const report = {
  date: new Date().toISOString().slice(0, 10),
  device: backend.device,
  driver: info.description,
  versions: { node: process.version, tfjs: tf.version.tfjs },
  rounds,
  ...(args.only === 'step' ? {} : { matmul: await compareProducts() }),
  ...(args.only === 'matmul' ? {} : { step: await compareSteps() }),
};
if (args.json) {
  console.log(JSON.stringify(report, undefined, 2));
} else {
  const { date, device, driver, versions, matmul, step } = report;
  const machine = device.includes(driver) ? device : `${device}, ${driver}`;
  console.log(`${date}, ${machine}, Node ${versions.node}, tfjs ${versions.tfjs}`);
  const line = (what, { seconds: time, ratio }, unit) =>
    console.log(
      `${what}: ours ${unit(time.kora)}, tfjs ${unit(time.tfjs)}, ${ratio.toFixed(2)} times as fast`,
    );
  if (matmul !== undefined)
    line(`product ${matmul.size}³`, matmul, (time) => {
      const rate = (matmul.flops / time / 1e9).toFixed(1);
      return `${(time * 1000).toFixed(1)} ms (${rate} GFLOP/s)`;
    });
  if (step !== undefined) {
    line(`${step.model}, LoRA step, batch ${step.batch}`, step, (time) => `${time.toFixed(3)} s`);
    for (const [side, losses] of Object.entries(step.losses))
      console.log(`losses of ${side}: ${losses.map((loss) => loss.toFixed(5)).join(' ')}`);
  }
}
await backend.dispose();
// Dawn's instance keeps the process alive.
process.exit(0);
