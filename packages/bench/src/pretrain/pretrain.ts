import { join } from 'node:path';
import type {
  Backend,
  HostTensor,
  ImageDataset,
  MethodDefinition,
  Preprocessing,
  VitConfig,
} from '@kora-bench/core';
import { writeSafetensors } from '@kora-bench/core';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { FindingLog } from '../cell/audits/finding-log.js';
import type { CellContext } from '../cell/cell-context.js';
import { judgeClassification } from '../cell/judge.js';
import { trainPhase } from '../cell/train-phase.js';
import { WeightStore } from '../cell/weight-store.js';
import type { TrainingConfig } from '../config/run-config.js';
import type { ReportProgress } from '@kora-bench/trainer';
import type { ClassificationResult } from '../records/record-schema.js';
import { factoredTask } from './factored-task.js';
import { initialCheckpoint } from './initial-checkpoint.js';

export interface PretrainSpec {
  readonly backend: Backend;
  /** Full fine-tuning: trains every weight. */
  readonly method: MethodDefinition;
  readonly model: VitConfig;
  readonly preprocessing: Preprocessing;
  readonly data: ImageDataset;
  readonly training: TrainingConfig;
  readonly seed: number;
  /** Where `model.safetensors` and `config.json` go. */
  readonly outDir: string;
  readonly cacheDir: string;
}

/** Trains a backbone from scratch, scores it on the validation split and writes it without its head. */
export async function pretrain(spec: PretrainSpec, report: ReportProgress): Promise<ClassificationResult> {
  const { backend, model, preprocessing, data, training, seed } = spec;
  const method = { definition: spec.method, options: spec.method.options.parse({}) };
  const checkpoint = initialCheckpoint(model, preprocessing, seed);
  const context: CellContext = {
    backend,
    checkpoint,
    method,
    seed,
    cacheDir: spec.cacheDir,
    report,
    findings: new FindingLog(),
  };
  const weights = new WeightStore(checkpoint);
  const task = factoredTask(data.train.classNames, training.labelSmoothing);
  weights.initialize(task.parameters(model), seed);
  const phase = { task, preprocessing, stage: 'train' };
  await trainPhase(context, weights, {
    ...phase,
    name: 'pretrain',
    split: data.train,
    trains: () => true,
    training,
  });
  const judged = { ...phase, name: 'evaluate', split: data.val, batchSize: training.batchSize };
  const [result] = await judgeClassification(context, weights, judged, [data.val]);
  const backbone = new Map<string, HostTensor>(
    [...checkpoint.tensors.keys()].map((name) => [name, weights.get(name)]),
  );
  await writeFileAtomic(join(spec.outDir, 'model.safetensors'), writeSafetensors(backbone, { format: 'pt' }));
  await writeFileAtomic(
    join(spec.outDir, 'config.json'),
    `${JSON.stringify(hubConfig(spec, result!), null, 2)}\n`,
  );
  return result!;
}

/** The checkpoint's description in the form of timm's hub files, with how it was made. */
function hubConfig(
  { model, preprocessing, data, training, seed }: PretrainSpec,
  result: ClassificationResult,
): object {
  return {
    architecture: model.name,
    num_classes: 0,
    num_features: model.width,
    global_pool: 'token',
    model_args: {
      img_size: model.imageSize[0],
      patch_size: model.patchSize,
      embed_dim: model.width,
      depth: model.depth,
      num_heads: model.heads,
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
      classes: data.train.classNames.length,
      seed,
      training,
      validationTop1: result.top1,
    },
  };
}
