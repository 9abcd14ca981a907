import type { HostTensor, Program } from '@kora-bench/core/graph';
import { hostTensor, sizeOf, structuralHashes } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { methodParameters, stagesOf, withoutMethod } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { Task } from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  trainsInStage,
} from '@kora-bench/core/training';
import type { TrainerContext, WeightStore } from '@kora-bench/trainer';
import { withSession } from '@kora-bench/trainer';
import type { FindingLog } from './data-audit.js';

/** Relative to the largest prediction; float32 engines stay two orders of magnitude below. */
const tolerance = 1e-2;

/** A merge that changes what the model predicts. */
export function auditMerge(findings: FindingLog, where: string, error: number, largest: number): void {
  if (error <= tolerance * Math.max(largest, 1e-3)) return;
  findings.add({
    severity: 'error',
    code: 'MERGE_CHANGES_PREDICTIONS',
    where,
    message: 'The merged backbone does not predict what the method does.',
    evidence: { largestDifference: error, largestPrediction: largest },
  });
}

/** A start that is not the backbone's own forward pass, though the method says that it is; asked with two images of noise. */
export async function auditStart(
  { backend, model, method, findings }: TrainerContext & { readonly findings: FindingLog },
  weights: WeightStore,
  { where, task }: { readonly where: string; readonly task: Task },
): Promise<void> {
  const { definition, options } = method;
  if (definition.attach === undefined || definition.startsAtBackbone?.(options) === false) return;
  const [first] = stagesOf(method);
  const batchSize = 2;
  const random = randomStream(0, 'audit/start');
  const shape = [batchSize, 3, ...model.imageSize];
  const images = hostTensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
  const predict = (used: ConfiguredMethod): Promise<HostTensor> => {
    const spec = { model, method: used, task, batchSize, stage: first!.name, trains: () => false };
    const { program } = buildEvalProgram(spec, ['features']);
    return withSession({ backend, program, weights: weights.values }, async (session) => {
      const { features } = await session.run({ [imagesFeed]: images }, ['features']);
      return features!;
    });
  };
  const [own, backbone] = [await predict(method), await predict(withoutMethod(method))];
  let [difference, largest] = [0, 0];
  for (const [i, value] of backbone.data.entries()) {
    difference = Math.max(difference, Math.abs(value - own.data[i]!));
    largest = Math.max(largest, Math.abs(value));
  }
  if (difference <= tolerance * largest) return;
  findings.add({
    severity: 'error',
    code: 'START_IS_NOT_BACKBONE',
    where,
    message:
      'Training does not start from the backbone’s own forward pass, though the method does not say so ' +
      '(`startsAtBackbone`).',
    evidence: { largestDifference: difference, largestFeature: largest },
  });
}

/**
 * Options that were given another value than by default and change neither parameters, stages nor program. A method
 * that computes start values may use an option there, so it is not judged.
 */
export function auditOptions(
  findings: FindingLog,
  { definition, options }: ConfiguredMethod,
  { model, task }: { readonly model: Architecture; readonly task: Task },
): void {
  const defaults = definition.options.safeParse({});
  if (!defaults.success || definition.initialize !== undefined) return;
  const given = options as Readonly<Record<string, unknown>>;
  const usual = defaults.data as Readonly<Record<string, unknown>>;
  const effect = effectOf({ definition, options }, model, task);
  const idle = Object.keys(given).filter((name) => {
    if (JSON.stringify(given[name]) === JSON.stringify(usual[name])) return false;
    const changed = definition.options.safeParse({ ...given, [name]: usual[name] });
    return changed.success && effectOf({ definition, options: changed.data }, model, task) === effect;
  });
  if (idle.length === 0) return;
  findings.add({
    severity: 'warning',
    code: 'OPTION_WITHOUT_EFFECT',
    where: 'method',
    message: `${idle.length === 1 ? 'An option changes' : 'Options change'} nothing: ${idle.join(', ')}.`,
    evidence: { options: idle },
  });
}

/** All that a method's options decide, as text. */
function effectOf(method: ConfiguredMethod, model: Architecture, task: Task): string {
  const programs = stagesOf(method).map((stage) => {
    const { program } = buildTrainProgram({
      model,
      method,
      task,
      batchSize: 2,
      stage: stage.name,
      trains: (parameter) => trainsInStage(parameter, method, stage),
      optimizer: defaultAdamW,
    });
    return [stage.name, stage.share, stage.classPart, hashOf(program)];
  });
  return JSON.stringify([methodParameters(method, model), programs]);
}

function hashOf(program: Program): string {
  const hashes = structuralHashes(program);
  return [...program.outputs.values(), ...program.updates.values()].map((id) => hashes.get(id)).join(' ');
}
