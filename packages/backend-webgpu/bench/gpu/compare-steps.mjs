import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { defaultAdamW, splitFlat } from '@kora-bench/core/training';
import { loadTraining, trainingFiles } from '@kora-bench/peer-pytorch';
import { vitTrainStep } from '@kora-bench/testing/timed-programs';
import { firstLosses, largestDifference, tolerance } from '../agreement.mjs';
import { modelArguments, modelOf } from '../model-arguments.mjs';
import { ourTrainStep } from '../our-side.mjs';
import { record, recordArgument } from '../record.mjs';
import { alternate, seconds } from '../rounds.mjs';
import { numbers, rowTable, words } from '../row-table.mjs';
import { describePeer, openPeer, pythonArgument } from './pytorch-side.mjs';

/*
 * Training steps of ViT-B/16 beside PyTorch with timm and peft on the same machine: eager with TF32 off and on,
 * rounds in turn, then torch.compile, beside what this side took before. Each starts from the same values and
 * its first 5 losses are compared.
 *   node bench/gpu/compare-steps.mjs [--methods lora,full,linear-probe] [--compiled lora,full,linear-probe]
 *     [--half lora] [--batch 32] [--rounds 5] [--steps 5] [--options JSON] [--python python3] [--record FILE]
 * `--half` names the methods that are also timed in this backend's f16. A smaller model for a try:
 *   --depth 2 --width 64 --heads 1 --image 64 --batch 2 --steps 1
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 768, heads: 12 }),
    ...pythonArgument,
    ...recordArgument,
    methods: { type: 'string', default: 'lora,full,linear-probe' },
    compiled: { type: 'string', default: 'lora,full,linear-probe' },
    half: { type: 'string', default: 'lora' },
    batch: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '5' },
    options: { type: 'string', default: '{}' },
  },
});
const [batch, rounds, count] = ['batch', 'rounds', 'steps'].map((name) => Number(args[name]));
const listed = (name) => args[name].split(',').filter(Boolean);
const rank = 8;
/** AdamW moves every weight by about this much: what LoRA bears wrecks a whole backbone. */
const learningRates = { lora: 1e-3, full: 1e-5, 'linear-probe': 1e-3 };
const goals = { lora: 1 };
const model = modelOf(args);
const peer = await openPeer(args.python);
const open = (more) =>
  definition.create('gpu', definition.options.parse({ ...JSON.parse(args.options), ...more }));
const backend = await open();
const failures = [];

console.log(
  `${model.name}, batch ${batch}, on ${backend.device} (${backend.versions.driver ?? 'driver unknown'}),`,
);
console.log(`beside ${describePeer(peer)}`);
console.log(`medians of ${rounds} rounds of ${count} steps; Δloss: the largest of the first 5 steps'`);
const print = rowTable([
  words('step', 12),
  words('ours', 5),
  numbers('images/s', 9),
  words('PyTorch', 18),
  numbers('images/s', 9),
  numbers('ours/PyTorch'),
  numbers('goal', 4),
  numbers('Δloss', 8),
  numbers('start s', 8),
]);

/** What this side took in f32, by method, for the rows of torch.compile. */
const eager = new Map();
for (const method of listed('methods')) await attempt(method, () => compareEager(method));
for (const method of listed('half')) await attempt(`${method} in f16`, () => compareHalf(method));
for (const method of peer ? listed('compiled') : [])
  await attempt(`${method}, torch.compile`, () => compareCompiled(method));
peer?.stop();
for (const failure of failures) console.log(`FAILED: ${failure}`);
process.exit(failures.length > 0 ? 1 : undefined);

async function compareEager(method) {
  const { step, trained } = await load(method);
  const ours = await openOurs(backend, step);
  const losses = { kora: ours.losses, pytorch: await theirLosses() };
  const theirs = (tf32) => () => peer.call('steps', { count, tf32 });
  const sides = { off: theirs(false), on: theirs(true) };
  await peer?.call('steps', { count, tf32: true });
  const times = await alternate({ kora: ours.round, ...(peer && sides) }, rounds);
  await ours.dispose();
  eager.set(method, { losses: losses.kora, seconds: times.kora });
  const common = { method, trained, start: ours.start, losses };
  tell({ ...common, beside: 'eager, TF32 off', times: [times.kora, times.off], goal: goals[method] });
  tell({ ...common, beside: 'eager, TF32 on', times: [times.kora, times.on] });
}

async function compareHalf(method) {
  const { step, trained } = await load(method);
  const half = await open({ precision: 'f16' });
  const ours = await openOurs(half, step);
  const losses = { kora: ours.losses, pytorch: await theirLosses({ tf32: true }) };
  const sides = { pytorch: () => peer.call('steps', { count, tf32: true }) };
  const times = await alternate({ kora: ours.round, ...(peer && sides) }, rounds);
  const { precision } = half.versions;
  await half.dispose();
  const common = { method, precision, trained, start: ours.start, losses };
  tell({ ...common, beside: 'eager, TF32 on', times: [times.kora, times.pytorch] });
}

async function compareCompiled(method) {
  const { trained } = await load(method);
  let losses;
  // The first step compiles.
  const start = await seconds(async () => {
    losses = await theirLosses({ compiled: true });
  });
  const { pytorch } = await alternate({ pytorch: () => peer.call('steps', { count }) }, rounds);
  const ours = eager.get(method);
  const common = { method, trained, start, losses: { kora: ours?.losses ?? losses, pytorch: losses } };
  tell({ ...common, beside: 'compiled, TF32 off', times: [ours?.seconds, pytorch] });
}

/**
 * The step of a method with its values, the same ones each time, which PyTorch gets too.
 * @returns the step, and how many numbers it trains
 * @throws Error where PyTorch does not train as many: that would be other work
 */
async function load(method) {
  const learningRate = learningRates[method];
  const step = vitTrainStep(batch, { method, model, rank, learningRate });
  const { length } = step.layout;
  if (peer === undefined) return { step, trained: length };
  const { images, label } = step.feeds(0);
  const training = trainingFiles({
    model: model.config,
    method: step.method,
    weights: step.weights,
    parameters: splitFlat(step.state.parameters, step.layout),
    updates: new Map(step.layout.entries.map(({ name, update = {} }) => [name, update])),
    optimizer: defaultAdamW,
    learningRate,
    images,
    labels: label,
  });
  const trained = await loadTraining(peer, training);
  if (length !== trained)
    throw new Error(`this side trains ${length} numbers, PyTorch ${trained}; expected as many.`);
  return { step, trained };
}

/** PyTorch's first losses, from the values that it was given. */
async function theirLosses(settings = {}) {
  await peer?.call('start', settings);
  return peer?.call('losses', { count: 5 });
}

/** Compiles our side, takes the first losses and warms up; `start` is how long that took. */
async function openOurs(engine, step) {
  let ours;
  let losses;
  const start = await seconds(async () => {
    ours = await ourTrainStep(engine, step);
    losses = await firstLosses(ours.next);
  });
  const round = async () => (await seconds(() => ours.round(count))) / count;
  return { losses, start, round, dispose: ours.dispose };
}

/** Prints and records one comparison. */
function tell({ method, precision = 'f32', beside, times: [ours, theirs], goal, losses, start, trained }) {
  const difference = losses.pytorch && largestDifference(losses.kora, losses.pytorch);
  const rate = (time) => time && batch / time;
  const share = ours && theirs && theirs / ours;
  print(
    method,
    precision,
    rate(ours)?.toFixed(1) ?? '',
    beside,
    rate(theirs)?.toFixed(1) ?? '',
    share?.toFixed(3) ?? '',
    goal ?? '',
    difference?.toExponential(1) ?? '',
    start.toFixed(1),
  );
  if (precision === 'f32' && peer && !(difference <= tolerance))
    failures.push(`${method} beside ${beside}: the sides do not compute the same, their losses differ`);
  record(args.record, 'steps', {
    model: model.name,
    ...{ batch, method, precision, beside, trained, goal, share, losses, start },
    pytorch: peer?.about,
    imagesPerSecond: { kora: rate(ours), pytorch: rate(theirs) },
  });
}

/** One comparison that fails leaves the others. */
async function attempt(name, compare) {
  try {
    await compare();
  } catch (error) {
    console.error(error);
    console.log(`${name}: failed: ${error.message.split('\n')[0]}`);
    failures.push(`${name}: ${error.message.split('\n')[0]}`);
  }
}
