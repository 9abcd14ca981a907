import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { referenceBackend } from '@kora-bench/backend-reference';
import type {
  CellJob,
  CellResources,
  DoneRecord,
  EvaluationRecord,
  Finding,
  PhaseRecord,
  RunConfigInput,
} from '@kora-bench/bench';
import { loadRegistry, runCell, runConfigSchema } from '@kora-bench/bench';
import type { Backend } from '@kora-bench/core/backend';
import type { DatasetDefinition, ImageDataset } from '@kora-bench/core/data';
import { kindsOf } from '@kora-bench/core/data';
import type { Checkpoint } from '@kora-bench/core/nn';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { initialCheckpoint, type ReportProgress } from '@kora-bench/trainer';
import { afterAll } from 'vitest';
import { memoryDataset } from './memory-split.js';

export const tinyCheckpoint: Checkpoint = initialCheckpoint(
  toyVit,
  {
    imageSize: [16, 16],
    interpolation: 'bicubic',
    cropPct: 1,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  },
  3,
);

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** An empty folder that is gone when the tests of this file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kora-bench-test-'));
  folders.push(folder);
  return folder;
}

export type PhaseInput = RunConfigInput['phases'][number];

/** Classification on the data set `source`, straight from the backbone. */
export const sourcePhase = (changes: Partial<PhaseInput> = {}): PhaseInput => ({
  name: 'source',
  task: 'classification',
  data: 'source',
  ...changes,
});

/** A new head for `target` on the frozen model of `source`; four training images of each class. */
export const transferPhase = (changes: Partial<PhaseInput> = {}): PhaseInput => ({
  name: 'transfer',
  from: 'source',
  task: 'classification',
  data: 'target',
  protocol: { name: 'stratified', options: { perClass: 4 } },
  trains: 'head',
  training: { epochs: 2, learningRate: 0.01, batchSize: 8 },
  ...changes,
});

/** Depth on `depth`, going on with the model of `source`. */
export const depthPhase = (changes: Partial<PhaseInput> = {}): PhaseInput => ({
  name: 'depth',
  from: 'source',
  task: 'depth',
  data: 'depth',
  training: { epochs: 2, learningRate: 0.01, batchSize: 4 },
  ...changes,
});

/** Three classes, four batches of eight for training. */
export const defaultSource = () => memoryDataset({ train: 30, test: 12, classes: 3 });
export const defaultTarget = () => memoryDataset({ train: 32, test: 12, classes: 4 }, { dataset: 'target' });
export const defaultDepth = () =>
  memoryDataset({ train: 10, test: 6, classes: 1 }, { dataset: 'depth', target: 'depth' });

export interface TinyCell {
  readonly method: MethodDefinition;
  readonly options?: object;
  readonly backend?: Backend;
  readonly checkpoint?: Checkpoint;
  /** By the name that phases give; `source`, `target` and `depth` have defaults. */
  readonly data?: Readonly<Record<string, ImageDataset>>;
  /** `source` alone by default. */
  readonly phases?: readonly PhaseInput[];
  readonly analyses?: RunConfigInput['analyses'];
  readonly config?: Partial<RunConfigInput>;
  readonly training?: Partial<RunConfigInput['training']>;
  readonly seed?: number;
  readonly label?: string;
  readonly search?: NonNullable<DoneRecord['search']>;
  readonly cacheDir?: string;
  readonly runDir?: string;
  readonly report?: ReportProgress;
}

/** Runs one cell in this process: random weights, data in memory, the interpreter unless told otherwise. */
export async function runTinyCell(spec: TinyCell): Promise<DoneRecord> {
  const { method, seed = 0 } = spec;
  const options = method.options.parse(spec.options ?? {});
  const backend = spec.backend ?? (await referenceBackend.create('cpu', { lower: false }));
  const training = { epochs: 2, batchSize: 8, learningRate: 0.01, ...spec.training };
  const config = runConfigSchema.parse({
    methods: [{ name: method.name }],
    backends: [{ name: backend.name }],
    models: [toyVit.name],
    phases: spec.phases ?? [sourcePhase()],
    analyses: spec.analyses ?? [{ name: 'cka', options: { examples: 8 } }, 'merge'],
    seeds: [seed],
    training,
    ...spec.config,
  });
  const job: CellJob = {
    cell: {
      id: 'tiny',
      label: spec.label ?? method.name,
      method: method.name,
      options: options as Record<string, unknown>,
      learningRate: training.learningRate,
      backend: backend.name,
      device: 'cpu',
      backendOptions: {},
      model: toyVit.name,
      seed,
    },
    config,
    ...(spec.search && { search: spec.search }),
    runDir: spec.runDir ?? temporaryFolder(),
    dataDir: '',
    cacheDir: spec.cacheDir ?? temporaryFolder(),
  };
  const data = { source: defaultSource(), target: defaultTarget(), depth: defaultDepth(), ...spec.data };
  const resources: CellResources = {
    method: { definition: method, options },
    backend,
    checkpoint: spec.checkpoint ?? tinyCheckpoint,
    registry: {
      ...(await loadRegistry()),
      datasets: new Map(Object.entries(data).map(([name, dataset]) => [name, registered(name, dataset)])),
    },
  };
  return runCell(job, resources, spec.report ?? (() => undefined));
}

/** A data set as a package would register it. */
function registered(name: string, dataset: ImageDataset): DatasetDefinition {
  return {
    name,
    targets: kindsOf(dataset.train.targets),
    classes: dataset.train.targets.label?.classNames.length ?? 0,
    description: 'for tests',
    embedded: true,
    howToGet: '',
    open: async () => dataset,
    verify: async () => ({ ok: true, details: [], problems: [] }),
  };
}

/** A phase of a record, and a clear failure where there is none. */
export function phaseOf({ phases }: Pick<DoneRecord, 'phases'>, name = 'source'): PhaseRecord {
  const found = phases.find((phase) => phase.name === name);
  if (found === undefined)
    throw new Error(`No phase ${name}; there are ${phases.map((phase) => phase.name).join(', ')}.`);
  return found;
}

/** How a phase of a single draw was trained. */
export function trainingOf(record: DoneRecord, phase = 'source') {
  const { training } = phaseOf(record, phase).draws[0]!;
  if (training === null) throw new Error(`The phase ${phase} trains nothing.`);
  return training;
}

/** An evaluation of a phase's first draw; the one to read by default. */
export function evaluationOf(record: DoneRecord, phase = 'source', name?: string): EvaluationRecord {
  const { evaluations } = phaseOf(record, phase).draws[0]!;
  const found = evaluations.find((one) => name === undefined || one.name === name);
  if (found === undefined) throw new Error(`No evaluation ${name} in ${phase}.`);
  return found;
}

/** A metric of {@link evaluationOf}, and a clear failure where it has no value. */
export function metricOf(record: DoneRecord, metric: string, phase = 'source', evaluation?: string): number {
  const value = evaluationOf(record, phase, evaluation).values[metric];
  if (typeof value !== 'number') throw new Error(`${metric} of ${phase} is ${value}.`);
  return value;
}

/** The finding `code` of a record, and a clear failure where there is none. */
export function findingOf({ findings }: DoneRecord, code: string, where?: string): Finding {
  const found = findings.find((one) => one.code === code && (where === undefined || one.where === where));
  if (found === undefined)
    throw new Error(`No ${code}${where ? ` at ${where}` : ''}; found: ${codesOf({ findings }).join(', ')}`);
  return found;
}

export function codesOf({ findings }: Pick<DoneRecord, 'findings'>): string[] {
  return findings.map(({ code, where }) => `${code}@${where}`);
}
