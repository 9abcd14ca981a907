import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { vitLoraStep } from '@kora-bench/bench-programs';
import { modelArguments, modelOf } from './model-arguments.mjs';
import { median } from './rounds.mjs';

/*
 * What a training step costs the host: checking and writing the feeds, encoding all dispatches, submitting
 * them. Measured from the call of `run` until the last `submit` of the run returns. The device does nothing
 * before the run and, in its kernels, nothing at all: each returns at once, so that no driver takes the
 * cores or the caches of a CPU that it shares. With --work they compute as ever.
 *   node bench/encode-cost.mjs [--batch 1] [--runs 100] [--work] [--options JSON] [--json]
 * The cost hangs on the number of kernels, hardly on their sizes; --image 32 shortens the start.
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 192, heads: 3 }),
    batch: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    work: { type: 'boolean', default: false },
    options: { type: 'string', default: '{}' },
    json: { type: 'boolean', default: false },
  },
});
const backend = await definition.create('gpu', definition.options.parse(JSON.parse(args.options)));
if (!args.work) leaveWorkOut();
let submitted = 0;
noteSubmits();
const model = modelOf(args);
const { program, weights, state: values, feeds } = vitLoraStep(Number(args.batch), { model });
const executable = await backend.compile(program, weights);
const state = await backend.createState(values);

const times = [];
const warmUp = 10;
const dispatches = await countDispatches(() => executable.run({ feeds: feeds(0), state }));
for (let number = 0; number < warmUp + Number(args.runs); number++) {
  const options = { feeds: feeds(number), state };
  const start = performance.now();
  await executable.run(options);
  if (number >= warmUp) times.push((submitted - start) / 1000);
  // Brings a value back, which waits for the device.
  await state.read('parameters');
}
const host = median(times);

if (args.json) {
  const date = new Date().toISOString().slice(0, 10);
  const { work, runs } = args;
  const result = { date, device: backend.device, model, runs: Number(runs), work, dispatches, seconds: host };
  console.log(JSON.stringify(result, undefined, 2));
} else {
  console.log(
    `${backend.device}: ${model.name}, LoRA step, batch ${args.batch}, ${dispatches} dispatches` +
      `${args.work ? '' : ' without work'}, median of ${args.runs} runs: ${(host * 1000).toFixed(3)} ms`,
  );
}
await backend.dispose();
process.exit(0);

/** Lets every kernel return at once; it keeps its bindings, for no compiler knows the numbers of workgroups. */
function leaveWorkOut() {
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    const code = descriptor.code.replace(/(fn main\([^{]*\{)/, '$1\nif (group.x != 4294967295u) { return; }');
    return createShaderModule.call(this, { ...descriptor, code });
  };
}

/** Notes when the last submission returned. */
function noteSubmits() {
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands) {
    submit.call(this, commands);
    submitted = performance.now();
  };
}

async function countDispatches(run) {
  const { prototype } = GPUComputePassEncoder;
  const { dispatchWorkgroups } = prototype;
  let count = 0;
  prototype.dispatchWorkgroups = function (...workgroups) {
    count++;
    dispatchWorkgroups.apply(this, workgroups);
  };
  await run();
  prototype.dispatchWorkgroups = dispatchWorkgroups;
  return count;
}
