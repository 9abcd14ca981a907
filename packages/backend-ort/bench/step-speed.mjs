import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-ort';
import { programCost } from '@kora-bench/core/passes';
import { matrixProduct, vitTrainStep } from '@kora-bench/testing/timed-programs';

/*
 * Speed of a training step of ViT-Tiny/16, by default with LoRA r = 8 on all linear layers, beside the best matrix
 * product of the same backend in the same process. Rounds alternate between the two, best of all rounds.
 *   node bench/step-speed.mjs --batch 16 --rounds 8 [--method lora|full|linear-probe] [--threads 2] [--no-spin] [--profile PREFIX] [--clock cpu]
 * On a busy machine, one thread and the CPU's clock instead of the wall's give steadier numbers.
 */
const { values: args } = parseArgs({
  options: {
    batch: { type: 'string', default: '16' },
    method: { type: 'string', default: 'lora' },
    rounds: { type: 'string', default: '6' },
    threads: { type: 'string' },
    profile: { type: 'string' },
    'no-spin': { type: 'boolean', default: false },
    clock: { type: 'string', default: 'wall' },
  },
});
const options = definition.options.parse({
  spin: !args['no-spin'],
  ...(args.threads === undefined ? {} : { threads: Number(args.threads) }),
  ...(args.profile === undefined ? {} : { profile: args.profile }),
});
const backend = await definition.create('cpu', options);
const now = () => {
  if (args.clock === 'wall') return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const seconds = async (run) => {
  const start = now();
  await run();
  return now() - start;
};

const products = await Promise.all(
  [512, 1024, 2048].map(async (n) => {
    const { program, weights, state: values, flops } = matrixProduct(n);
    const executable = await backend.compile(program, weights);
    const state = await backend.createState(values);
    return { n, flops, run: () => executable.run({ feeds: {}, state, fetch: ['y'] }) };
  }),
);
const batch = Number(args.batch);
const step = vitTrainStep(batch, { method: args.method });
const { flops } = programCost(step.program);
const begun = performance.now();
const executable = await backend.compile(step.program, step.weights);
const compiled = performance.now() - begun;
const state = await backend.createState(step.state);

let best = Number.POSITIVE_INFINITY;
let peak = 0;
let at = 0;
let loss;
for (let round = 0; round < Number(args.rounds); round++) {
  for (const { n, flops: work, run } of products) {
    for (let repeat = 0; repeat < Math.max(1, 4096 / n); repeat++) {
      const rate = work / (await seconds(run)) / 1e9;
      if (rate > peak) [peak, at] = [rate, n];
    }
  }
  for (let repeat = 0; repeat < 2; repeat++) {
    const took = await seconds(async () => {
      loss = (await executable.run({ feeds: step.feeds(round), state, fetch: ['loss'] })).loss.data[0];
    });
    best = Math.min(best, took);
  }
}
const rate = flops / best / 1e9;
console.log(
  `${backend.device}, batch ${batch}: step ${(best * 1000).toFixed(0)} ms, ${(flops / 1e9).toFixed(1)} GFLOP, ` +
    `${rate.toFixed(0)} GFLOP/s; best product ${peak.toFixed(0)} GFLOP/s at ${at}³; share ${(rate / peak).toFixed(3)}; ` +
    `compiled in ${compiled.toFixed(0)} ms; last loss ${loss.toFixed(6)}; ` +
    `memory ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB`,
);
await backend.dispose();
