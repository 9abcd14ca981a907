import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import type { Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { programCost } from '@kora-bench/core/passes';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import type {
  OptimizerConfig,
  OwnedParameter,
  ParameterLayout,
  ProtocolDraw,
  Task,
} from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildTrainProgram,
  isTrainable,
  modelParameters,
  trainsInStage,
} from '@kora-bench/core/training';
import { classPart, finalStage, plannedStages, worthwhilePrefix } from '@kora-bench/trainer';
import type { PlannedPhase } from '../phases/plan-phases.js';
import { evaluationsOf } from '../phases/planned-evaluations.js';

/* What a cell will do, counted without an engine, weights or pixels. */

/** A program that a cell runs, with what is needed to try it out. */
export interface CountedProgram {
  /** What it is for, e.g. `source: training`; unique in a cell. */
  readonly name: string;
  readonly program: Program;
  /** Of one run. */
  readonly flops: number;
  readonly batchSize: number;
  readonly parameters: readonly OwnedParameter[];
  readonly layout?: ParameterLayout;
  /** Of programs that train. */
  readonly optimizer?: OptimizerConfig;
}

/** One way of a program over images. */
export interface Pass {
  readonly program: CountedProgram;
  readonly steps: number;
  /** Images that it reads from the data; 0 where it works on kept features. */
  readonly reads: number;
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  /** Set where its output is kept on disk: it is made once for all cells that name it alike. */
  readonly kept?: { readonly key: string; readonly bytes: number };
}

export interface CellWork {
  readonly passes: readonly Pass[];
  /** Splits whose examples are hashed, to find leaks. */
  readonly hashed: readonly ImageSplit[];
  /** Bytes of the scores of all examples, about. */
  readonly scoreBytes: number;
  /** Bytes of what its draws train, were it kept. */
  readonly trainedBytes: number;
}

export interface WorkSettings {
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
  /** Names everything besides the split that kept features are a function of: backbone, engine. */
  readonly featuresOf: string;
}

/** Counts what a cell does in its phases; analyses are left out. */
export function countWork(planned: readonly PlannedPhase[], settings: WorkSettings): CellWork {
  const passes: Pass[] = [];
  const hashed = new Map<string, ImageSplit>();
  let scoreBytes = 0;
  let trainedBytes = 0;
  for (const phase of planned) {
    const tracer = new PhaseTracer(phase, settings);
    for (const draw of phase.draws) {
      for (const split of [draw.train, draw.evaluations[0].split]) hashed.set(split.fingerprint, split);
      passes.push(...tracer.training(draw), ...tracer.evaluation(draw));
      trainedBytes += trainedBytesOf(phase, draw, settings);
      for (const { split } of evaluationsOf(phase, draw).flat()) scoreBytes += scoresOf(split);
    }
  }
  return { passes, hashed: [...hashed.values()], scoreBytes, trainedBytes };
}

/** Float32, of the head alone or of all that trains with the method's constants. */
function trainedBytesOf(
  { trains, taskFor }: PlannedPhase,
  { train }: ProtocolDraw,
  { model, method }: WorkSettings,
): number {
  if (trains === 'nothing') return 0;
  const kept = modelParameters(model, method, taskFor(train)).filter(
    (parameter) =>
      parameter.owner === 'head' ||
      (trains !== 'head' && (parameter.owner === 'method' || isTrainable(parameter, method))),
  );
  return 4 * kept.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A line has the path and a few numbers. */
function scoresOf({ paths, length }: ImageSplit): number {
  return length * ((paths[0]?.length ?? 0) + 40);
}

/** Traces the programs of one phase, those of equal shape once. */
class PhaseTracer {
  readonly #phase: PlannedPhase;
  readonly #settings: WorkSettings;
  readonly #traced = new Map<string, TracedPass>();

  constructor(phase: PlannedPhase, settings: WorkSettings) {
    this.#phase = phase;
    this.#settings = settings;
  }

  training(draw: ProtocolDraw): Pass[] {
    const { model, method } = this.#settings;
    const { trains, taskFor } = this.#phase;
    const { training, preprocessing } = draw;
    if (trains === 'nothing') return [];
    return plannedStages(method, { trains, training }).flatMap(({ stage, epochs }) => {
      const split = trains === 'all' && stage.classPart ? classPart(draw.train, stage.classPart) : draw.train;
      const task = taskFor(split);
      const traced = this.#once(['training', stage.name, shapeOf(task, model)], (name) => {
        const { program, layout } = buildTrainProgram({
          model,
          method,
          task,
          batchSize: training.batchSize,
          stage: stage.name,
          trains: (parameter) =>
            trains === 'head' ? parameter.owner === 'head' : trainsInStage(parameter, method, stage),
          optimizer: training.optimizer,
          ...(training.clipNorm === null ? {} : { clipNorm: training.clipNorm }),
        });
        return this.#split({ name, program, layout, task, draw, optimizer: training.optimizer });
      });
      const steps = epochs * Math.ceil(split.length / training.batchSize);
      const keeps = traced.features !== undefined && training.augmentation === 'none';
      const work = { split, preprocessing, steps };
      return keeps
        ? [this.#features(traced, work), { ...work, program: traced.rest, reads: 0 }]
        : [{ ...work, program: traced.whole, reads: epochs * split.length }];
    });
  }

  evaluation(draw: ProtocolDraw): Pass[] {
    const { model, method } = this.#settings;
    const { batchSize } = draw.training;
    const task = this.#phase.taskFor(draw.train);
    return evaluationsOf(this.#phase, draw).flatMap(([first]) => {
      const { split } = first!;
      const traced = this.#once(['evaluation', shapeOf(task, model)], (name) => {
        const { program, layout } = buildEvalProgram(
          {
            model,
            method,
            task,
            batchSize,
            stage: finalStage(method),
            trains: ({ owner }) => owner !== 'backbone',
          },
          ['prediction'],
        );
        return this.#split({ name, program, layout, task, draw });
      });
      const work = {
        split,
        preprocessing: draw.preprocessing,
        steps: Math.ceil(split.length / batchSize),
      };
      return traced.features === undefined
        ? [{ ...work, program: traced.whole, reads: split.length }]
        : [this.#features(traced, work), { ...work, program: traced.rest, reads: 0 }];
    });
  }

  #once(parts: readonly string[], trace: (name: string) => TracedPass): TracedPass {
    const key = parts.join('\n');
    const found =
      this.#traced.get(key) ?? trace(`${this.#phase.phase.label}: ${parts.slice(0, -1).join(' ')}`);
    this.#traced.set(key, found);
    return found;
  }

  #split({ name, program, layout, task, draw, optimizer }: TracedProgram): TracedPass {
    const { model, method } = this.#settings;
    const { batchSize } = draw.training;
    const common = { batchSize, parameters: modelParameters(model, method, task) };
    const trained = { ...common, layout, ...(optimizer && { optimizer }) };
    const partition = worthwhilePrefix(program);
    const whole = { ...trained, name, program, flops: programCost(program).flops };
    if (partition === undefined) return { whole, rest: whole };
    const owners = new Map(common.parameters.map((parameter) => [parameter.name, parameter]));
    const onDisk = partition.prefix.nodes.every(({ op }) => {
      if (op.kind !== 'frozen') return true;
      const parameter = owners.get(op.name);
      // Values of weights that an earlier phase trained stay in memory.
      return (
        parameter?.owner === 'backbone' && (this.#phase.trains === 'all' || !isTrainable(parameter, method))
      );
    });
    return {
      whole,
      rest: { ...trained, name, program: partition.rest, flops: partition.restFlops },
      features: {
        program: {
          ...common,
          name: `${name}: features`,
          program: partition.prefix,
          flops: partition.prefixFlops,
        },
        values: partition.values.map((value) => value.name),
        bytesPerExample: partition.bytesPerExample,
        onDisk,
      },
    };
  }

  #features({ features }: TracedPass, { split, preprocessing }: Omit<Pass, 'program' | 'reads'>): Pass {
    const { program, values, bytesPerExample, onDisk } = features!;
    const key = [this.#settings.featuresOf, ...values, split.fingerprint, JSON.stringify(preprocessing)];
    return {
      program,
      split,
      preprocessing,
      steps: Math.ceil(split.length / program.batchSize),
      reads: split.length,
      ...(onDisk && { kept: { key: key.join('\n'), bytes: bytesPerExample * split.length } }),
    };
  }
}

interface TracedProgram {
  readonly name: string;
  readonly program: Program;
  readonly layout: ParameterLayout;
  readonly task: Task;
  readonly draw: ProtocolDraw;
  readonly optimizer?: OptimizerConfig;
}

interface TracedPass {
  readonly whole: CountedProgram;
  /** What is left where features are kept. */
  readonly rest: CountedProgram;
  readonly features?: {
    readonly program: CountedProgram;
    readonly values: readonly string[];
    readonly bytesPerExample: number;
    readonly onDisk: boolean;
  };
}

/** Tasks of equal heads make equal programs. */
function shapeOf(task: Task, model: Architecture): string {
  return JSON.stringify([task.name, task.parameters(model).map(({ name, shape }) => [name, shape])]);
}
