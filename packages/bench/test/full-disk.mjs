// Runs one small cell whose cache is the folder given, and prints what it measured and said.
import reference from '@kora-bench/backend-reference';
import { initialCheckpoint, runCell, runConfigSchema } from '@kora-bench/bench';
import { createProceduralDataset } from '@kora-bench/datasets';
import method from '@kora-bench/method-linear-probe';
import { toyVit } from '@kora-bench/testing/vit-configs';

// A file-size limit stands in for a full disk; its signal would end the process before it sees the error.
process.on('SIGXFSZ', () => undefined);

const model = { ...toyVit, depth: 1, numClasses: 0 };
const half = [0.5, 0.5, 0.5];
const preprocessing = {
  imageSize: model.imageSize,
  interpolation: 'bicubic',
  cropPct: 1,
  mean: half,
  std: half,
};
const config = runConfigSchema.parse({
  methods: [{ name: method.name }],
  backends: [{ name: reference.name }],
  model: model.name,
  source: 'procedural-source',
  target: '-',
  depth: '-',
  tasks: ['source'],
  protocols: ['stratified'],
  seeds: [0],
  training: { epochs: 1, batchSize: 50, learningRate: 0.01 },
  transfer: { epochs: 1, batchSize: 50, learningRate: 0.01, shotsPerClass: 1 },
  depthTraining: { epochs: 1, batchSize: 50, learningRate: 0.01 },
  ckaExamples: 4,
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
  { cell, config, runDir: '', dataDir: '', cacheDir: process.argv[2] },
  {
    method: { definition: method, options: {} },
    backend: await reference.create('cpu', { lower: false }),
    checkpoint: initialCheckpoint(model, preprocessing, 0),
    source: createProceduralDataset('procedural-source', { trainPerClass: 3, valPerClass: 1 }),
  },
  (event) => event.kind === 'message' && messages.push(event.text),
);
const { result, training } = record.source;
console.log(JSON.stringify({ messages, numbers: { result, losses: training.stages[0].losses } }));
