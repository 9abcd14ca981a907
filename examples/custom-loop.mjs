// The same with batches of one's own and an observer: node examples/custom-loop.mjs path/to/folder [model]
import { readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import onnxruntime from '@kora-bench/backend-ort';
import { hostTensor } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { trainingSchema } from '@kora-bench/core/training';
import lora from '@kora-bench/method-lora';
import { loadModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { classificationTask } from '@kora-bench/tasks';
import { evaluateBatches, startWeights, train, trainedWeights } from '@kora-bench/trainer';
import sharp from 'sharp';

const [folder = 'images', name = 'vit_micro_patch8_64'] = process.argv.slice(2);
const checkpoint = await loadModel(name, dataFolders());
const { mean, std, imageSize } = checkpoint.preprocessing;
const [height, width] = imageSize;
const [plane, batchSize] = [height * width, 8];

// One folder of images for each class; every fifth image is for the test.
const found = await readdir(folder, { recursive: true });
const files = found.filter((file) => /\.(png|jpe?g)$/i.test(file)).sort();
const classes = [...new Set(files.map((file) => basename(dirname(file))))];
const [forTest, forTraining] = [files.filter((_, i) => i % 5 === 0), files.filter((_, i) => i % 5 !== 0)];

async function* batches(chosen) {
  for (let at = 0; at < chosen.length; at += batchSize) {
    const part = chosen.slice(at, at + batchSize);
    // Always `batchSize` examples; those beyond `count` stay empty and weigh nothing.
    const labels = new Int32Array(batchSize);
    const pixels = new Float32Array(batchSize * 3 * plane);
    for (const [i, file] of part.entries()) {
      labels[i] = classes.indexOf(basename(dirname(file)));
      const image = sharp(join(folder, file)).toColourspace('srgb').removeAlpha().resize(width, height);
      for (const [j, byte] of (await image.raw().toBuffer()).entries())
        pixels[(3 * i + (j % 3)) * plane + Math.floor(j / 3)] = (byte / 255 - mean[j % 3]) / std[j % 3];
    }
    const images = hostTensor([batchSize, 3, height, width], pixels);
    yield { feeds: { images, label: hostTensor([batchSize], labels) }, count: part.length };
  }
}

const order = (epoch) => [...randomStream(0, `epoch ${epoch}`).permutation(forTraining.length)];
const stepsPerEpoch = Math.ceil(forTraining.length / batchSize);
const printing = {
  wants: () => ['loss'],
  stepped: ({ step, outputs }) => console.log(`step ${step + 1}: loss ${outputs.loss.data[0].toFixed(4)}`),
};

const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
const method = { definition: lora, options: lora.options.parse({}) };
const context = { backend, model: checkpoint.model, method, seed: 0 };
const spec = { name: 'custom', task: classificationTask(classes.length), batchSize };
const training = trainingSchema.parse({ epochs: 5, batchSize, learningRate: 5e-3 });
const weights = await startWeights(context, checkpoint, spec.task);
const data = { stepsPerEpoch, batches: (epoch) => batches(order(epoch).map((i) => forTraining[i])) };
await train(context, weights, { ...spec, training, observers: [printing] }, data);
const { values, examples } = await evaluateBatches(context, weights, spec, batches(forTest));
console.log(`test accuracy ${(100 * values.top1).toFixed(1)} % of ${examples} images`);
await writeFile('trained.safetensors', writeSafetensors(trainedWeights(context, weights, spec.task)));
await backend.dispose();
