// What a run's pass over images costs beside the bare forward pass: the pixels alone (reading, decoding, resizing), the
// forward pass alone on one batch in memory, and the pass that keeps a frozen backbone's features, by turns; first with an
// empty cache of decoded pixels, then with a filled one. Images per second, medians.
//
//   node packages/bench/bench/feature-pass.mjs FOLDER-OR-ARCHIVE [--model NAME] [--batch-size 32] [--images 640] [--rounds 3]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import onnxruntime from '@kora-bench/backend-ort';
import { buildEvalProgram, imagesFeed } from '@kora-bench/core/training';
import { openFolderDataset } from '@kora-bench/datasets';
import linearProbe from '@kora-bench/method-linear-probe';
import { loadModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { classificationTask } from '@kora-bench/tasks';
import {
  fixedBatches,
  inOrder,
  keptFeatures,
  memoryFeatures,
  startWeights,
  withSession,
  worthwhilePrefix,
} from '@kora-bench/trainer';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'vit_tiny_patch16_224' },
    'batch-size': { type: 'string', default: '32' },
    images: { type: 'string', default: '640' },
    rounds: { type: 'string', default: '3' },
  },
});
const [path] = positionals;
if (path === undefined) {
  console.error('Name a folder or an archive of images, one folder for each class.');
  process.exit(2);
}
const [batchSize, images, rounds] = [values['batch-size'], values.images, values.rounds].map(Number);
const checkpoint = await loadModel(values.model, dataFolders());
const { model, preprocessing } = checkpoint;
const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
const method = { definition: linearProbe, options: linearProbe.options.parse({}) };
const context = { backend, model, method, seed: 0 };

/** The first images of the training split, decoded into a cache of its own. */
async function openSplit(cacheDir) {
  const data = await openFolderDataset(path, { ...dataFolders(), cacheDir });
  return {
    ...data.train,
    length: Math.min(images, data.train.length),
    open: (...how) => data.train.open(...how),
  };
}

async function pixels(split) {
  const start = performance.now();
  const reader = await split.open(preprocessing);
  const order = inOrder(split.length);
  for await (const _ of fixedBatches({ split, reader, order, batchSize, preprocessing }));
  await reader.close();
  return (1000 * split.length) / (performance.now() - start);
}

const caches = [];
const emptyCache = () => caches[caches.push(mkdtempSync(join(tmpdir(), 'kora-feature-pass-'))) - 1];
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

try {
  const filled = await openSplit(emptyCache());
  const task = classificationTask(10);
  const weights = await startWeights(context, checkpoint, task);
  const trains = ({ owner }) => owner !== 'backbone';
  const { program } = buildEvalProgram({ model, method, task, batchSize, stage: 'train', trains }, [
    'prediction',
  ]);
  const partition = worthwhilePrefix(program);
  const pass = (split) => {
    const spec = { backend, partition, weights, split, preprocessing, batchSize, store: memoryFeatures };
    return keptFeatures({ ...spec, phase: 'measured', report: () => undefined });
  };
  const bare = () =>
    withSession({ backend, program: partition.prefix, weights: weights.values }, async (session) => {
      const reader = await filled.open(preprocessing);
      const order = inOrder(batchSize);
      const { value: batch } = await fixedBatches({
        split: filled,
        reader,
        order,
        batchSize,
        preprocessing,
      }).next();
      await reader.close();
      const names = partition.values.map(({ name }) => name);
      await session.run({ [imagesFeed]: batch.images }, names);
      const count = Math.ceil(filled.length / batchSize);
      const start = performance.now();
      for (let i = 0; i < count; i++) await session.run({ [imagesFeed]: batch.images }, names);
      return (1000 * count * batchSize) / (performance.now() - start);
    });
  const speed = ({ pass: { seconds, images: n } }) => n / seconds;

  const measures = {
    'pixels alone, nothing cached': async () => pixels(await openSplit(emptyCache())),
    'pixels alone, cached': () => pixels(filled),
    'forward pass alone': bare,
    'pass of a run, nothing cached': async () => speed(await pass(await openSplit(emptyCache()))),
    'pass of a run, pixels cached': async () => speed(await pass(filled)),
  };
  await pixels(filled);
  const found = Object.fromEntries(Object.keys(measures).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const [name, measure] of Object.entries(measures)) found[name].push(await measure());
  const forward = median(found['forward pass alone']);
  for (const [name, list] of Object.entries(found))
    console.log(
      `${name.padEnd(32)} ${median(list).toFixed(1).padStart(8)} images/s  ${(median(list) / forward).toFixed(2).padStart(6)} of the forward pass`,
    );
} finally {
  await backend.dispose();
  for (const folder of caches) rmSync(folder, { recursive: true, force: true });
}
