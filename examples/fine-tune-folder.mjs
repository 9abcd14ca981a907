// Fine-tunes a checkpoint on a folder of images: node examples/fine-tune-folder.mjs path/to/folder [model]
import { writeFile } from 'node:fs/promises';
import onnxruntime from '@kora-bench/backend-ort';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { openFolderDataset } from '@kora-bench/datasets';
import lora from '@kora-bench/method-lora';
import { loadModel } from '@kora-bench/models';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { classification } from '@kora-bench/tasks';
import { fineTune } from '@kora-bench/trainer';

const [folder = 'images', model = 'vit_micro_patch8_64'] = process.argv.slice(2);
const data = await openFolderDataset(folder, dataFolders());
const checkpoint = await loadModel(model, dataFolders());
const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
const training = { epochs: 5, batchSize: 8, learningRate: 5e-3 };
const printing = {
  wants: () => ['loss'],
  epochEnded: ({ epoch, loss }) => console.log(`epoch ${epoch + 1}: loss ${loss.toFixed(4)}`),
};

const how = { method: lora, task: classification, training, observers: [printing] };
const fitted = await fineTune({ backend, checkpoint, data, ...how });
const { values, examples } = await fitted.evaluate(data.test);
console.log(`test accuracy ${(100 * values.top1).toFixed(1)} % of ${examples} images`);
await writeFile('trained.safetensors', writeSafetensors(fitted.trained));
await backend.dispose();
