import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { matrixProduct, vitLoraStep } from '@kora-bench/testing/timed-programs';
import { agreeingLosses, relativeDifference } from '../agreement.mjs';
import { modelArguments, modelOf } from '../model-arguments.mjs';
import { ourProduct, ourTrainStep } from '../our-side.mjs';
import { alternate, seconds } from '../rounds.mjs';
import { handOver } from './hand-over.mjs';
import { startPythonPeer } from './python-peer.mjs';

/*
 * This backend beside PyTorch (eager, TF32 off) with timm and peft on the same machine, rounds in turn:
 * products in f32 and f16, and LoRA steps of ViT-B/16, whose first 5 losses must be the same on both sides.
 *   node bench/gpu/compare-pytorch.mjs [--python python3] [--batch 32] [--rounds 7] [--options JSON]
 *     [--f16-options JSON] [--json]
 * `--f16-options` are the options with which this backend multiplies in f16; without them, f16 is left out.
 * Where PyTorch sees no GPU it takes the CPU, which compares nothing but proves that the script runs:
 *   --size 256 --depth 2 --width 64 --heads 1 --image 64 --batch 2 --products 2 --steps 1
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 768, heads: 12 }),
    python: { type: 'string', default: 'python3' },
    batch: { type: 'string', default: '32' },
    size: { type: 'string', default: '4096' },
    rounds: { type: 'string', default: '7' },
    products: { type: 'string', default: '20' },
    steps: { type: 'string', default: '5' },
    options: { type: 'string', default: '{}' },
    'f16-options': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [batch, size, rounds, products, steps] = ['batch', 'size', 'rounds', 'products', 'steps'].map((name) =>
  Number(args[name]),
);
const rank = 8;
const open = (options) => definition.create('gpu', definition.options.parse(JSON.parse(options)));
const peer = startPythonPeer(args.python);
const pytorch = await peer.call('describe');
const backend = await open(args.options);

/** Medians in seconds per item, and how much of PyTorch's rate this backend reaches. */
async function compare(ours, theirs, count) {
  const kora = async () => (await seconds(() => ours.round(count))) / count;
  const times = await alternate({ kora, pytorch: theirs }, rounds);
  return { seconds: times, share: times.pytorch / times.kora };
}

async function compareProducts(engine, dtype) {
  const product = matrixProduct(size);
  const ours = await ourProduct(engine, product);
  await ours.round(3);
  const theirs = () => peer.call('product', { n: size, dtype, count: products });
  return { size, flops: product.flops, ...(await compare(ours, theirs, products)) };
}

async function compareSteps() {
  const model = modelOf(args);
  const step = vitLoraStep(batch, { model, rank });
  const [learningRate] = step.feeds(0).learningRate.data;
  await handOver(step, (path) => peer.call('load', { path, model, rank, learning_rate: learningRate }));
  const ours = await ourTrainStep(backend, step);
  const theirLosses = await peer.call('losses', { count: 5 });
  const losses = await agreeingLosses({ kora: ours.next, pytorch: async () => theirLosses.shift() });
  const compared = await compare(ours, () => peer.call('steps', { count: steps }), steps);
  const imagesPerSecond = Object.fromEntries(
    Object.entries(compared.seconds).map(([side, time]) => [side, batch / time]),
  );
  return { model: model.name, batch, losses, ...compared, imagesPerSecond };
}

async function compareHalfProducts() {
  if (args['f16-options'] === undefined) return undefined;
  const engine = await open(args['f16-options']);
  const product = matrixProduct(size);
  const [half, single] = [
    await (await ourProduct(engine, product)).result(),
    await (await ourProduct(backend, product)).result(),
  ];
  const result = await compareProducts(engine, 'float16');
  await engine.dispose();
  return { ...result, error: relativeDifference(half, single) };
}

const report = {
  date: new Date().toISOString().slice(0, 10),
  device: backend.device,
  pytorch,
  versions: { node: process.version, ...backend.versions },
  rounds,
  f32: await compareProducts(backend, 'float32'),
  f16: await compareHalfProducts(),
  step: await compareSteps(),
};
if (args.json) {
  console.log(JSON.stringify(report, undefined, 2));
} else {
  const { date, device, f32, f16, step } = report;
  const { torch, cuda, timm, peft } = pytorch.versions;
  console.log(`${date}: ${device}, Node ${process.version}, beside PyTorch ${torch} on ${pytorch.device},`);
  console.log(`CUDA ${cuda ?? 'none'}, timm ${timm}, peft ${peft}; medians of ${rounds} rounds`);
  if (!pytorch.onGpu)
    console.log('PyTorch has no GPU here: this shows that the script runs, and compares nothing.');
  const percent = (share) => `${(share * 100).toFixed(0)} %`;
  const rate = ({ flops }, time) => `${(flops / time / 1e12).toFixed(3)} TFLOP/s`;
  const productLine = (dtype, goal, product) =>
    console.log(
      `${dtype} ${product.size}³: ours ${rate(product, product.seconds.kora)}, PyTorch ` +
        `${rate(product, product.seconds.pytorch)}: ${percent(product.share)} (goal ${goal} %)`,
    );
  productLine('f32', 60, f32);
  if (f16 === undefined) console.log('f16: not measured, no --f16-options');
  else {
    productLine('f16', 40, f16);
    console.log(`f16: largest difference from f32 ${f16.error.toExponential(1)} of the largest element`);
  }
  const { kora, pytorch: theirs } = step.imagesPerSecond;
  console.log(
    `${step.model}, LoRA step, batch ${step.batch}: ours ${kora.toFixed(1)} images/s, PyTorch ` +
      `${theirs.toFixed(1)} images/s: ${percent(step.share)} (goal 100 %)`,
  );
}
peer.stop();
await backend.dispose();
process.exit(0);
