// How time and memory grow: one quantity at a time, the others fixed, with the exponent that fits and the one between the
// two largest points, where fixed costs weigh least. Exit code 1 where time grows faster than in proportion to images, seeds or
// methods.
//
//   node packages/bench/bench/scaling.mjs [axis ...]
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import ortBackend from '@kora-bench/backend-ort';
import { measureThroughput, readPlan, readRecords } from '@kora-bench/bench';
import { vitArchitecture } from '@kora-bench/core/nn';
import lora from '@kora-bench/method-lora';

const run = promisify(execFile);
const bench = fileURLToPath(new URL('../bin/kora-bench.js', import.meta.url));

/** A step's shape where its axis says nothing else. */
const step = { depth: 6, width: 192, batch: 8, classes: 100, tokensPerSide: 14 };
/** A run's size where its axis says nothing else. */
const whole = { images: 200, seeds: 1, methods: 1, epochs: 4 };
const methods = ['linear-probe', 'lora', 'kora', 'bitfit', 'ssf', 'ia3', 'vpt', 'adaptformer'];

const axes = {
  images: { of: whole, values: [250, 500, 1000, 2000], mostLinear: true },
  seeds: { of: whole, values: [1, 2, 4, 8], mostLinear: true },
  methods: { of: whole, values: [1, 2, 4, 8], mostLinear: true },
  batch: { of: step, values: [4, 8, 16, 32] },
  depth: { of: step, values: [3, 6, 12, 24] },
  width: { of: step, values: [96, 192, 384, 768] },
  classes: { of: step, values: [10, 100, 1000, 10000] },
  tokensPerSide: { of: step, values: [7, 14, 21, 28] },
};

/** Room for noise where growth in proportion is asked for. */
const tolerance = 1.1;

async function timeStep({ depth, width, batch, classes, tokensPerSide }) {
  const model = vitArchitecture({
    name: 'measured',
    imageSize: [16 * tokensPerSide, 16 * tokensPerSide],
    patchSize: 16,
    width,
    depth,
    heads: width / 32,
    mlpWidth: 4 * width,
    numClasses: 0,
    layerNormEps: 1e-6,
  });
  const backend = await ortBackend.create('cpu', ortBackend.options.parse({}));
  const method = { definition: lora, options: lora.options.parse({}) };
  const spec = { backend, method, label: 'lora', model, classes, batch, milliseconds: 4000, peak: false };
  const { imagesPerSecond, peakMemoryBytes } = await measureThroughput(spec);
  return { seconds: batch / imagesPerSecond, bytes: peakMemoryBytes };
}

async function timeRun({ images, seeds, methods: count, epochs }) {
  const folder = mkdtempSync(join(tmpdir(), 'kora-bench-scaling-'));
  try {
    const suite = join(folder, 'suite.json');
    const own = {
      extends: 'default',
      // With one method, one whose steps go through the whole backbone: nothing is kept between epochs.
      methods: (count === 1 ? ['lora'] : methods.slice(0, count)).map((name) => ({ name })),
      phases: [
        { name: 'transfer', remove: true },
        { name: 'depth', remove: true },
      ],
      analyses: [],
      seeds: Array.from({ length: seeds }, (_, seed) => seed),
      training: { epochs },
      limits: { trainExamples: images, testExamples: images },
    };
    writeFileSync(suite, JSON.stringify(own));
    const out = join(folder, 'run');
    const start = performance.now();
    await run(process.execPath, [bench, 'run', '--suite', suite, '--out', out], {
      env: { ...process.env, KORA_CACHE_DIR: join(folder, 'cache') },
      maxBuffer: 1e8,
    });
    const seconds = (performance.now() - start) / 1000;
    const { cells } = await readPlan(out);
    const records = await readRecords(
      out,
      cells.map(({ id }) => id),
    );
    return { seconds, bytes: Math.max(...records.map(({ peakMemoryBytes }) => peakMemoryBytes)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Least squares of log y on log x. */
function exponent(points) {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (of) => logs.reduce((sum, row) => sum + row[of], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return covariance / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

const { values, positionals } = parseArgs({
  options: { point: { type: 'string' } },
  allowPositionals: true,
});
if (values.point !== undefined) {
  console.log(JSON.stringify(await timeStep(JSON.parse(values.point))));
  process.exit();
}
const unknown = positionals.find((name) => axes[name] === undefined);
if (unknown !== undefined) {
  console.error(`There is no axis "${unknown}": choose among ${Object.keys(axes).join(', ')}.`);
  process.exit(2);
}
console.log(
  `A step: LoRA on a ViT, ${JSON.stringify(step)}. A run: ${JSON.stringify(whole)}, the whole command.`,
);
console.log(
  'axis           values                     seconds                             time ^ (end)    memory ^ (end)',
);
let faults = 0;
for (const name of positionals.length > 0 ? positionals : Object.keys(axes)) {
  const { of, values: along, mostLinear = false } = axes[name];
  const found = [];
  for (const value of along) {
    const point = { ...of, [name]: value };
    if (of === whole) found.push(await timeRun(point));
    else {
      const own = fileURLToPath(import.meta.url);
      const { stdout } = await run(process.execPath, [own, '--point', JSON.stringify(point)]);
      found.push(JSON.parse(stdout));
    }
  }
  const fit = (key) => {
    const points = found.map((one, i) => [along[i], one[key]]);
    return [exponent(points), exponent(points.slice(-2))];
  };
  const shown = ([all, end]) => `${all.toFixed(2)} (${end.toFixed(2)})`.padEnd(15);
  const time = fit('seconds');
  const fault = mostLinear && time[1] > tolerance;
  if (fault) faults++;
  console.log(
    `${name.padEnd(14)} ${along.join(' ').padEnd(26)} ${found
      .map(({ seconds }) => seconds.toPrecision(3))
      .join(' ')
      .padEnd(35)} ${shown(time)} ${shown(fit('bytes'))}${fault ? ' more than in proportion' : ''}`,
  );
}
process.exitCode = faults === 0 ? 0 : 1;
