import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program, Weights } from '@kora-bench/core/graph';
import { compareTensors, relativeErrorOfChange } from '../values/comparison.js';

/** A whole training step with all that it needs. */
export interface Training {
  readonly program: Program;
  /** Every feed for step `step` (from 0). */
  feeds(step: number): HostTensors;
  /** Initial values of all states. */
  readonly state: HostTensors;
  readonly weights: Weights;
}

export interface TrainingCase {
  readonly name: string;
  /**
   * Largest accepted error; the backend's tolerance if absent. AdamW needs a larger one where exact
   * gradients are zero (e.g. the bias of attention's keys): it scales rounding up to whole steps.
   */
  readonly tolerance?: number;
  /** Builds the case anew; the same one every time. */
  build(): Training | Promise<Training>;
}

export interface TrainingComparison {
  /** The state or output compared. */
  readonly value: string;
  /** For a state ‖actual − expected‖ / ‖expected − initial‖, for an output as `compareTensors`. */
  readonly relativeError: number;
}

/** Trains on both backends from the same start and compares all states and the last step's outputs. */
export async function compareTraining(
  backend: Backend,
  reference: Backend,
  trainingCase: TrainingCase,
  steps: number,
): Promise<TrainingComparison[]> {
  const training = await trainingCase.build();
  const actual = await train(backend, training, steps);
  const expected = await train(reference, training, steps);
  return [
    ...Object.entries(expected.outputs).map(([name, value]) => {
      const { relativeError } = compareTensors(name, actual.outputs[name]!, value);
      return { value: `output "${name}"`, relativeError };
    }),
    ...Object.entries(expected.state).map(([name, value]) => ({
      value: `state "${name}"`,
      relativeError: relativeErrorOfChange(actual.state[name]!, value, training.state[name]!),
    })),
  ];
}

interface Trained {
  readonly outputs: HostTensors;
  readonly state: HostTensors;
}

async function train(
  backend: Backend,
  { program, feeds, state, weights }: Training,
  steps: number,
): Promise<Trained> {
  const executable = await backend.compile(program, weights);
  const held = await backend.createState(state);
  try {
    let outputs: HostTensors = {};
    for (let step = 0; step < steps; step++) {
      const fetch = step === steps - 1 ? [...program.outputs.keys()] : [];
      outputs = await executable.run({ feeds: feeds(step), state: held, fetch });
    }
    const read: Record<string, HostTensor> = {};
    for (const name of Object.keys(state)) read[name] = await held.read(name);
    return { outputs, state: read };
  } finally {
    await held.dispose();
    await executable.dispose();
  }
}
