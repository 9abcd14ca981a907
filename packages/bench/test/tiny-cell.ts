import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { referenceBackend } from '@kora-bench/backend-reference';
import type {
  CellJob,
  CellResources,
  DoneRecord,
  Finding,
  ProgressEvent,
  RunConfigInput,
} from '@kora-bench/bench';
import { initialCheckpoint, runCell, runConfigSchema } from '@kora-bench/bench';
import type { Backend, Checkpoint, ImageDataset, MethodDefinition } from '@kora-bench/core';
import { toyVit } from '@kora-bench/testing/vit-configs';
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

export interface TinyCell {
  readonly method: MethodDefinition;
  readonly options?: object;
  readonly backend?: Backend;
  readonly checkpoint?: Checkpoint;
  readonly source?: ImageDataset;
  readonly target?: ImageDataset;
  readonly depth?: ImageDataset;
  readonly config?: Partial<RunConfigInput>;
  readonly training?: Partial<RunConfigInput['training']>;
  readonly transfer?: Partial<RunConfigInput['transfer']>;
  readonly seed?: number;
  readonly label?: string;
  readonly cacheDir?: string;
  readonly report?: (event: ProgressEvent) => void;
}

/** Three classes, four batches of eight for training. */
export const defaultSource = () => memoryDataset({ train: 30, val: 12, classes: 3 });

/** Runs one cell in this process: random weights, data in memory, the interpreter unless told otherwise. */
export async function runTinyCell(spec: TinyCell): Promise<DoneRecord> {
  const { method, seed = 0 } = spec;
  const options = method.options.parse(spec.options ?? {});
  const backend = spec.backend ?? (await referenceBackend.create('cpu', { lower: false }));
  const training = { epochs: 2, batchSize: 8, learningRate: 0.01, ...spec.training };
  const config = runConfigSchema.parse({
    methods: [{ name: method.name }],
    backends: [{ name: backend.name }],
    model: toyVit.name,
    source: 'memory',
    target: 'memory',
    depth: 'memory',
    tasks: ['source'],
    protocols: ['stratified'],
    seeds: [seed],
    training,
    transfer: { epochs: 2, learningRate: 0.01, batchSize: 8, shotsPerClass: 4, ...spec.transfer },
    depthTraining: { epochs: 2, learningRate: 0.01, batchSize: 4 },
    ckaExamples: 8,
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
    runDir: '',
    dataDir: '',
    cacheDir: spec.cacheDir ?? temporaryFolder(),
  };
  const resources: CellResources = {
    method: { definition: method, options },
    backend,
    checkpoint: spec.checkpoint ?? tinyCheckpoint,
    source: spec.source ?? defaultSource(),
    ...(spec.target && { target: spec.target }),
    ...(spec.depth && { depth: spec.depth }),
  };
  return runCell(job, resources, spec.report ?? (() => undefined));
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
