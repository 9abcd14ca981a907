import type { ProgramMemory } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import type { OwnedParameter, ParameterLayout } from '@kora-bench/core/training';

/** An output of a training step that an observer can ask for. */
export type StepOutput = 'loss' | 'gradientNorm' | 'gradients';

export interface TrainingStarted {
  readonly name: string;
  readonly layout: ParameterLayout;
  /** Everything in the model that could train, the frozen parameters included. */
  readonly parameters: readonly OwnedParameter[];
  /** Parameters of the layout that the loss does not depend on. */
  readonly unreached: readonly string[];
  readonly totalSteps: number;
}

export interface TrainingStep<B extends StepBatch = StepBatch> {
  /** From 0. */
  readonly step: number;
  readonly totalSteps: number;
  readonly learningRate: number;
  /** Real examples of the batch. */
  readonly count: number;
  /** Wall-clock time of the step, seconds. */
  readonly seconds: number;
  /** What was asked for: `loss` [], `gradientNorm` [], `gradients` [P]. */
  readonly outputs: Readonly<Partial<Record<StepOutput, HostTensor>>>;
  /** Of a split, its images are valid until the observers are done. */
  readonly batch: B;
}

export interface TrainingEpoch {
  /** From 0. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean over the examples of the steps whose loss was brought back; null where none was. */
  readonly loss: number | null;
}

export interface TrainingEnded {
  /** The parameters `[P]` before the first and after the last step. */
  readonly before: HostTensor;
  readonly after: HostTensor;
  readonly memory: ProgramMemory | undefined;
}

/**
 * Watches a training: audits, loss curves, a page. Every member is optional, and the training waits for those
 * that return a promise.
 */
export interface TrainObserver<B extends StepBatch = StepBatch> {
  /** The program is compiled; the first step comes next. */
  started?(training: TrainingStarted): void | Promise<void>;
  /** Outputs of the next step to bring back from the device; nothing by default, as each costs time. */
  wants?(step: number, totalSteps: number): readonly StepOutput[];
  stepped?(step: TrainingStep<B>): void | Promise<void>;
  epochEnded?(epoch: TrainingEpoch): void | Promise<void>;
  ended?(training: TrainingEnded): void | Promise<void>;
}

/**
 * What one step works on. A batch always has B examples, as the program was compiled for; one that is not full
 * repeats an example, which then weighs nothing.
 */
export interface StepBatch {
  /** `images` `[B, 3, H, W]`, normalised, or the kept features made of them; and the task's targets by kind. */
  readonly feeds: HostTensors;
  /** How many of the B examples are real. */
  readonly count: number;
}

/** About how many points a loss curve has. */
const curvePoints = 60;

/** Collects some points of the loss, the last one among them. */
export function lossCurve() {
  const points: { step: number; loss: number; learningRate: number }[] = [];
  return {
    points,
    wants(step: number, totalSteps: number): readonly StepOutput[] {
      const every = Math.max(1, Math.floor(totalSteps / curvePoints));
      return step % every === 0 || step === totalSteps - 1 ? ['loss'] : [];
    },
    stepped({ step, outputs, learningRate }: TrainingStep): void {
      if (outputs.loss !== undefined) points.push({ step, loss: outputs.loss.data[0]!, learningRate });
    },
  } satisfies TrainObserver & { points: unknown };
}
