import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { vitLoraStep } from '@kora-bench/bench-programs';
import { create, globals } from 'webgpu';
import { modelArguments, modelOf } from './model-arguments.mjs';
import { median, seconds } from './rounds.mjs';

/*
 * What a training step costs the host: writing the feeds, encoding all dispatches and submitting them. A run
 * that fetches nothing resolves without waiting for the device, so its time is the host's alone; the device
 * is idle when it starts, for a value of the state is read in between (`drain`), which does wait. A drain
 * shorter than the run says that the run waited, or that the model is too small to tell: the script fails.
 *   node bench/encode-cost.mjs [--batch 1] [--runs 30] [--options JSON] [--no-driver] [--json]
 * The cost hangs on the number of kernels, hardly on their sizes; --image 32 shortens the drains. A software
 * driver leaves nothing of the host's code in the caches; with --no-driver nothing but the host works at all:
 * commands go to Dawn's null backend, whose limits give the program some more kernels.
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 192, heads: 3 }),
    batch: { type: 'string', default: '1' },
    runs: { type: 'string', default: '30' },
    options: { type: 'string', default: '{}' },
    'no-driver': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (args['no-driver']) {
  Object.assign(globalThis, globals);
  const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
}
const backend = await definition.create('gpu', definition.options.parse(JSON.parse(args.options)));
const model = modelOf(args);
const { program, weights, state: values, feeds } = vitLoraStep(Number(args.batch), { model });
const executable = await backend.compile(program, weights);
const state = await backend.createState(values);

const times = { synchronous: [], host: [], drain: [] };
const warmUp = 3;
for (let number = 0; number < warmUp + Number(args.runs); number++) {
  const options = { feeds: feeds(number), state };
  const start = performance.now();
  const run = executable.run(options);
  const returned = (performance.now() - start) / 1000;
  await run;
  const resolved = (performance.now() - start) / 1000;
  const drained = await seconds(() => state.read('parameters'));
  if (number < warmUp) continue;
  times.synchronous.push(returned);
  times.host.push(resolved);
  times.drain.push(drained);
}
const [synchronous, host, drain] = ['synchronous', 'host', 'drain'].map((name) => median(times[name]));
const waited = drain < host && !args['no-driver'];

if (args.json) {
  const date = new Date().toISOString().slice(0, 10);
  const result = { date, device: backend.device, model, runs: Number(args.runs) };
  console.log(JSON.stringify({ ...result, seconds: { synchronous, host, drain }, waited }, undefined, 2));
} else {
  const ms = (time) => `${(time * 1000).toFixed(3)} ms`;
  console.log(
    `${backend.device}: ${model.name}, LoRA step, batch ${args.batch}, median of ${args.runs} runs: ` +
      `host ${ms(host)} (${ms(synchronous)} until run returned), then ${ms(drain)} for the device`,
  );
}
if (waited) {
  console.error(
    'Less time was left for the device than the run took: either the run waited for the device, and this is ' +
      'not the cost of the host, or the step is too short to tell. Use a larger --batch or --image.',
  );
}
await backend.dispose();
process.exit(waited ? 1 : 0);
