import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { vitLoraStep } from '@kora-bench/testing/timed-programs';
import { modelArguments, modelOf } from './model-arguments.mjs';
import { record, recordArgument } from './record.mjs';
import { median } from './rounds.mjs';

/*
 * What a training step costs the host, in two figures. `waits`: from the call of `run` until its last
 * `submit` returns, which is how long the device has nothing to do when each run is awaited; the feeds are
 * checked and written, the commands submitted. `in all`: and the encoding of the next run's commands, which
 * takes place while the device works. The loss is brought back, as in training. The kernels do nothing: each
 * returns at once, so that no driver takes the cores or the caches of a CPU that it shares. With --work they
 * compute as ever.
 *   node bench/encode-cost.mjs [--batch 1] [--runs 100] [--work] [--options JSON] [--json]
 *     [--record FILE]
 * The cost hangs on the number of kernels, hardly on their sizes; --image 32 shortens the start.
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 192, heads: 3 }),
    ...recordArgument,
    batch: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    work: { type: 'boolean', default: false },
    options: { type: 'string', default: '{}' },
    json: { type: 'boolean', default: false },
  },
});
const backend = await definition.create('gpu', definition.options.parse(JSON.parse(args.options)));
if (!args.work) leaveWorkOut();
const notes = { submitted: 0, encoding: 0 };
takeNotes();
const model = modelOf(args);
const { program, weights, state: values, feeds } = vitLoraStep(Number(args.batch), { model });
const executable = await backend.compile(program, weights);
const state = await backend.createState(values);

const waits = [];
const inAll = [];
const warmUp = 10;
const optionsOf = (number) => ({ feeds: feeds(number), state, fetch: ['loss'] });
const dispatches = await countDispatches(() => executable.run(optionsOf(0)));
for (let number = 1; number <= warmUp + Number(args.runs); number++) {
  const options = optionsOf(number);
  const start = performance.now();
  await executable.run(options);
  if (number <= warmUp) continue;
  const wait = notes.submitted - start;
  waits.push(wait / 1000);
  inAll.push((wait + notes.encoding) / 1000);
}
const seconds = { waits: median(waits), inAll: median(inAll) };

const date = new Date().toISOString().slice(0, 10);
const { work, runs } = args;
const result = {
  date,
  device: backend.device,
  model: model.config,
  runs: Number(runs),
  work,
  dispatches,
  seconds,
};
record(args.record, 'host', result);

if (args.json) {
  console.log(JSON.stringify(result, undefined, 2));
} else {
  console.log(
    `${backend.device}: ${model.name}, LoRA step, batch ${args.batch}, ${dispatches} dispatches` +
      `${args.work ? '' : ' without work'}, medians of ${args.runs} runs: waits ${milliseconds(seconds.waits)}, ` +
      `in all ${milliseconds(seconds.inAll)}`,
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

/** Notes when the last submission returned, and how long after it the last commands were encoded. */
function takeNotes() {
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands) {
    submit.call(this, commands);
    notes.submitted = performance.now();
    notes.encoding = 0;
  };
  const { finish } = GPUCommandEncoder.prototype;
  GPUCommandEncoder.prototype.finish = function (descriptor) {
    const commands = finish.call(this, descriptor);
    notes.encoding = performance.now() - notes.submitted;
    return commands;
  };
}

function milliseconds(seconds) {
  return `${(seconds * 1000).toFixed(3)} ms`;
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
