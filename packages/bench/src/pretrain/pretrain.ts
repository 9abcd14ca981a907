import { join } from 'node:path';
import type { Backend } from '@kora-bench/core/backend';
import type { ImageDataset, Preprocessing } from '@kora-bench/core/data';
import { requireTarget } from '@kora-bench/core/data';
import type { HostTensor } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { constant, linear } from '@kora-bench/core/ops';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { writeSafetensors } from '@kora-bench/core/safetensors';
import type { Task, TrainingConfig } from '@kora-bench/core/training';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { classificationTask } from '@kora-bench/tasks';
import type { ReportProgress, TrainerContext } from '@kora-bench/trainer';
import { evaluate, initialCheckpoint, train, WeightStore } from '@kora-bench/trainer';

export interface PretrainSpec {
  readonly backend: Backend;
  /** Full fine-tuning: trains every weight. */
  readonly method: MethodDefinition;
  readonly config: VitConfig;
  readonly preprocessing: Preprocessing;
  readonly data: ImageDataset;
  readonly training: TrainingConfig;
  readonly seed: number;
  /** Where `model.safetensors` and `config.json` go. */
  readonly outDir: string;
}

export interface PretrainResult {
  /** Share of test images, in [0, 1]. */
  readonly top1: number;
}

/** Trains a backbone from scratch, scores it on the test split and writes it without its head. */
export async function pretrain(spec: PretrainSpec, report: ReportProgress): Promise<PretrainResult> {
  const { backend, config, preprocessing, data, training, seed } = spec;
  const model = vitArchitecture(config);
  const method = { definition: spec.method, options: spec.method.options.parse({}) };
  const checkpoint = initialCheckpoint(model, preprocessing, seed);
  const context: TrainerContext = { backend, model, method, seed, report };
  const weights = new WeightStore(checkpoint);
  const task = factoredTask(classesOf(data), training.labelSmoothing);
  weights.initialize(task.parameters(model), seed);
  await train(
    context,
    weights,
    { name: 'pretrain', task, stage: 'train', trains: () => true, training },
    { split: data.train, preprocessing },
  );
  const how = { name: 'evaluate', task, stage: 'train', preprocessing, batchSize: training.batchSize };
  const [evaluation] = await evaluate(context, weights, how, [data.test]);
  const result = { top1: evaluation!.values['top1']! };
  const backbone = new Map<string, HostTensor>(
    [...checkpoint.tensors.keys()].map((name) => [name, weights.get(name)]),
  );
  await writeFileAtomic(join(spec.outDir, 'model.safetensors'), writeSafetensors(backbone, { format: 'pt' }));
  await writeFileAtomic(
    join(spec.outDir, 'config.json'),
    `${JSON.stringify(hubConfig(spec, result), null, 2)}\n`,
  );
  return result;
}

/** The checkpoint's description in the form of timm's hub files, with how it was made. */
function hubConfig(
  { config, preprocessing, data, training, seed }: PretrainSpec,
  result: PretrainResult,
): object {
  return {
    architecture: config.name,
    num_classes: 0,
    num_features: config.width,
    global_pool: 'token',
    model_args: {
      img_size: config.imageSize[0],
      patch_size: config.patchSize,
      embed_dim: config.width,
      depth: config.depth,
      num_heads: config.heads,
    },
    pretrained_cfg: {
      input_size: [3, ...preprocessing.imageSize],
      interpolation: preprocessing.interpolation,
      crop_pct: preprocessing.cropPct,
      crop_mode: 'center',
      mean: preprocessing.mean,
      std: preprocessing.std,
    },
    pretraining: {
      dataset: data.name,
      examples: data.train.length,
      classes: classesOf(data).length,
      seed,
      training,
      testTop1: result.top1,
    },
  };
}

function classesOf({ name, train: { targets } }: ImageDataset): readonly string[] {
  return requireTarget(targets, 'label', `the data set ${name}`).classNames;
}

/**
 * Classification whose classes are combinations of factors: the head scores each value of each factor,
 * and a class's logit is the sum of its values' scores. A model that has learnt one factor gains from it
 * at once, where a plain head of all combinations gives it hardly a gradient.
 * @param classNames factor values joined by `-`, the same number in each name
 */
export function factoredTask(classNames: readonly string[], labelSmoothing: number): Task {
  const names = classNames.map((name) => name.split('-').map((value, factor) => `${factor}:${value}`));
  const values = [...new Set(names.flat())].sort();
  const classes = classNames.length;
  const membership = new Float32Array(classes * values.length);
  for (const [label, own] of names.entries()) {
    for (const value of own) membership[label * values.length + values.indexOf(value)] = 1;
  }
  const scores = classificationTask(values.length);
  return {
    ...classificationTask(classes, labelSmoothing),
    parameters: scores.parameters,
    predict(output, model, parameter) {
      const ofValues = scores.predict(output, model, parameter);
      return linear(ofValues, constant(ofValues.builder, membership, [classes, values.length]));
    },
  };
}
