// Writes images and the logits that a trained cell gives for them, for check_exports.py.
//
//     node proof/export-logits.mjs RUN CELL OUT.safetensors [PHASE]
import { writeFileSync } from 'node:fs';
import onnxruntime from '@kora-bench/backend-ort';
import { openTrainedModel } from '@kora-bench/bench';
import { hostTensor, sizeOf } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import { buildEvalProgram, imagesFeed } from '@kora-bench/core/training';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { classificationTask } from '@kora-bench/tasks';
import { finalStage, withSession } from '@kora-bench/trainer';

const [runDir, name, out, phase] = process.argv.slice(2);
const { model, method, values } = await openTrainedModel(
  runDir,
  { cell: name, ...(phase && { phase }) },
  dataFolders(),
);
const batchSize = 4;
const shape = [batchSize, 3, ...model.imageSize];
const random = randomStream(0, 'proof');
const images = hostTensor(
  shape,
  Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
);
const task = classificationTask(values.get('head.weight').shape[0]);
const { program } = buildEvalProgram(
  { model, method, task, batchSize, stage: finalStage(method), trains: () => false },
  ['prediction'],
);
const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
const logits = await withSession({ backend, program, weights: values }, async (session) => {
  const { prediction } = await session.run({ [imagesFeed]: images }, ['prediction']);
  return prediction;
});
await backend.dispose();
writeFileSync(
  out,
  writeSafetensors(
    new Map([
      ['images', images],
      ['logits', logits],
    ]),
  ),
);
