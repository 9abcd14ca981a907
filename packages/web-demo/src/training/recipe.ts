import type { Preprocessing } from '@kora-bench/core/data';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import type { TrainingConfig } from '@kora-bench/core/training';
import { trainingSchema } from '@kora-bench/core/training';
import lora from '@kora-bench/method-lora';
import { vitMicroConfig, vitMicroPreprocessing } from '@kora-bench/models/vit-micro-config';
import { classificationTask } from '@kora-bench/tasks';

/** Half the backbone's own size: 17 tokens instead of 65 keep software drivers quick. */
const imageSize = [32, 32] as const;

/** The embedded backbone for small images. */
export const model = vitArchitecture({ ...vitMicroConfig, imageSize });
export const preprocessing: Preprocessing = { ...vitMicroPreprocessing, imageSize };

export const preset = 'peft';
export const method: ConfiguredMethod = {
  definition: lora,
  options: lora.options.parse(lora.presets![preset]),
};

/** The classes of `procedural-source` that are told apart, by their labels there: one species of four genera. */
export const classes: readonly number[] = [0, 8, 16, 24];
export const task = classificationTask(classes.length);

/** Of parameters, pictures and their order. */
export const seed = 0;
export const steps = 20;
export const batchSize = 8;
export const training: TrainingConfig = trainingSchema.parse({
  epochs: 1,
  batchSize,
  learningRate: 5e-3,
  optimizer: { kind: 'adamw' },
  schedule: { kind: 'constant', warmup: 0.1 },
  clipNorm: 1,
});
