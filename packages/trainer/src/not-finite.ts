import type { Backend } from '@kora-bench/core/backend';
import { TrainingError } from '@kora-bench/core/errors';
import type { HostTensor, HostTensors, Tensor } from '@kora-bench/core/graph';
import { abs, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import type { ModelSpec, ParameterLayout } from '@kora-bench/core/training';
import { imagesFeed, splitFlat, traceModel } from '@kora-bench/core/training';
import { withSession } from './session.js';
import type { WeightStore } from './weights.js';

/** A forward pass to look into. */
export interface BrokenPass {
  readonly spec: ModelSpec;
  /** `[P]`. */
  readonly parameters: HostTensor;
  /** Of a step; without images where kept features stand for them. */
  readonly feeds: HostTensors;
}

/**
 * The first site of a forward pass whose value is not finite.
 * @returns e.g. `the value at blocks.3.attn.v`; `undefined` where all values are finite, or there are no images
 */
export async function firstBrokenValue(
  backend: Backend,
  weights: WeightStore,
  { spec, parameters, feeds }: BrokenPass,
): Promise<string | undefined> {
  const images = feeds[imagesFeed];
  if (images === undefined) return undefined;
  const magnitudes = new Map<string, Tensor>();
  traceModel({ ...spec, method: watched(spec.method, magnitudes) }, { training: false });
  const program = makeProgram(Object.fromEntries(magnitudes));
  const found = await withSession({ backend, program, weights: weights.values, parameters }, (session) =>
    session.run({ [imagesFeed]: images }, [...magnitudes.keys()]),
  );
  for (const site of magnitudes.keys())
    if (!Number.isFinite(found[site]!.data[0]!)) return `the value at ${site}`;
  return undefined;
}

/** The method with the magnitude of every site's value, as it leaves it, summed in `magnitudes`. */
function watched(
  { definition, options }: ConfiguredMethod,
  magnitudes: Map<string, Tensor>,
): ConfiguredMethod {
  return {
    options,
    definition: {
      ...definition,
      attach(binding) {
        const hooks = definition.attach?.(binding) ?? {};
        return {
          ...hooks,
          value(site) {
            const value = hooks.value?.(site) ?? site.value;
            magnitudes.set(site.name, sum(abs(value)));
            return value;
          },
        };
      },
    },
  };
}

interface LossNotFinite {
  readonly loss: number;
  readonly step: number;
  readonly phase: string;
  /** The first value that is not finite, if it could be found. */
  readonly broken: string | undefined;
}

export function lossNotFinite({ loss, step, phase, broken }: LossNotFinite): TrainingError {
  const first = broken === undefined ? '' : `; the first value that is not finite is ${broken}`;
  return new TrainingError(`The loss is ${loss} at step ${step} of ${phase}${first}.`, {
    expected: 'a finite loss',
    received: broken === undefined ? String(loss) : `${loss}, from ${broken}`,
    where: phase,
    fix: 'Lower the learning rate, or set training.clipNorm.',
  });
}

/** Where an observer asked for gradients, they say which parameter is going to break the next step. */
export function requireFiniteGradients(
  gradients: HostTensor | undefined,
  layout: ParameterLayout,
  step: number,
  phase: string,
): void {
  if (gradients === undefined || gradients.data.every(Number.isFinite)) return;
  const [name] = [...splitFlat(gradients, layout)].find(([, { data }]) => !data.every(Number.isFinite))!;
  throw new TrainingError(`The gradient of ${name} is not finite at step ${step} of ${phase}.`, {
    expected: 'finite gradients',
    received: `the loss is finite, and its derivative by ${name} is not`,
    where: phase,
    fix: 'Look for a root, a division or a logarithm at zero on the way to this parameter, or lower the learning rate.',
  });
}

/** The last loss was that of the parameters before the last update. */
export function requireFiniteParameters({ data }: HostTensor, phase: string): void {
  const broken = data.findIndex((value) => !Number.isFinite(value));
  if (broken < 0) return;
  throw new TrainingError(`The parameters are not finite after ${phase}.`, {
    expected: 'finite parameters',
    received: String(data[broken]),
    where: phase,
    fix: 'Lower the learning rate, or set training.clipNorm.',
  });
}
