// Runs one small cell whose cache is the folder given, and prints what it measured and reported.
import { join } from 'node:path';
import reference from '@kora-bench/backend-reference';
import { loadRegistry, runCell, runConfigSchema } from '@kora-bench/bench';
import { vitArchitecture } from '@kora-bench/core/nn';
import { createProceduralDataset } from '@kora-bench/datasets';
import method from '@kora-bench/method-linear-probe';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { initialCheckpoint } from '@kora-bench/trainer';

// A file-size limit stands in for a full disk; its signal would end the process before it sees the error.
process.on('SIGXFSZ', () => undefined);

const cacheDir = process.argv[2];
const model = vitArchitecture({ ...toyVitConfig, depth: 1, numClasses: 0 });
const half = [0.5, 0.5, 0.5];
const preprocessing = {
  imageSize: model.imageSize,
  interpolation: 'bicubic',
  cropPct: 1,
  mean: half,
  std: half,
};
const data = createProceduralDataset('procedural-source', {
  trainPerClass: 3,
  valPerClass: 1,
  testPerClass: 1,
});
const config = runConfigSchema.parse({
  methods: [{ name: method.name }],
  backends: [{ name: reference.name }],
  models: [model.name],
  phases: [{ name: 'source', task: 'classification', data: 'small' }],
  seeds: [0],
  training: { epochs: 1, batchSize: 50, learningRate: 0.01 },
});
const cell = {
  id: 'tiny',
  label: 'tiny',
  method: method.name,
  options: {},
  learningRate: 0.01,
  backend: reference.name,
  device: 'cpu',
  backendOptions: {},
  model: model.name,
  seed: 0,
};
const messages = [];
const record = await runCell(
  { cell, config, runDir: join(cacheDir, 'run'), dataDir: '', cacheDir },
  {
    method: { definition: method, options: {} },
    backend: await reference.create('cpu', { lower: false }),
    checkpoint: initialCheckpoint(model, preprocessing, 0),
    registry: {
      ...(await loadRegistry()),
      datasets: new Map([['small', { name: 'small', targets: ['label'], open: async () => data }]]),
    },
  },
  (event) => event.kind === 'message' && messages.push(event.text),
);
const { training, evaluations } = record.phases[0].draws[0];
console.log(
  JSON.stringify({ messages, numbers: { values: evaluations[0].values, losses: training.stages[0].losses } }),
);
