import type { Backend } from '@kora-bench/core/backend';
import type { DataContext } from '@kora-bench/core/data';
import { InternalError } from '@kora-bench/core/errors';
import type { Checkpoint } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { countParameters } from '@kora-bench/core/training';
import { loadModel } from '@kora-bench/models';
import type { ReportProgress } from '@kora-bench/trainer';
import type { AdapterStart } from '../adapter-start/start-from-adapter.js';
import { readAdapterStart } from '../adapter-start/start-from-adapter.js';
import { runAnalyses } from '../analyses/index.js';
import { FindingLog } from '../audits/data-audit.js';
import { auditOptions } from '../audits/method-audit.js';
import { auditRates } from '../audits/rates-audit.js';
import type { RunConfig } from '../config/run-config.js';
import { findRegistered } from '../input/check-input.js';
import type { CellContext, FinishedPhase } from '../phases/phase-context.js';
import { openDatasets, planPhase } from '../phases/plan-phases.js';
import { resolvePhases } from '../phases/resolve-phases.js';
import { runPhase } from '../phases/run-phase.js';
import type { TrainedInPhase } from '../records/kept-weights.js';
import { keepWeights } from '../records/kept-weights.js';
import type { KeptWeights } from '../records/phase-record-schema.js';
import { writePredictedMaps, writeScores } from '../records/record-files.js';
import type { Cell, DoneRecord, SearchRecord } from '../records/record-schema.js';
import { describeFailure } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';
import { cellFeatures } from './cell-features.js';
import { describeCode, describeEnvironment } from './environment.js';

/** All that a cell's process needs to do its work; sent to it as one IPC message. */
export interface CellJob {
  readonly cell: Cell;
  readonly config: RunConfig;
  /** How the cell's learning rate was chosen; absent where the configuration gives it. */
  readonly search?: SearchRecord;
  /** The record goes to `<runDir>/records/<cell.id>.json`. */
  readonly runDir: string;
  readonly dataDir: string;
  readonly cacheDir: string;
}

/** What a cell works with, found by its names in the registry. */
export interface CellResources {
  readonly method: ConfiguredMethod;
  readonly backend: Backend;
  readonly checkpoint: Checkpoint;
  readonly registry: Registry;
  /** What training starts from instead of a fresh method. */
  readonly adapter?: AdapterStart;
}

/**
 * Opens weights and engine of a cell.
 * @throws MissingDataError | FormatError | CheckpointError | BackendError | InputError
 */
export async function openResources(
  { cell, dataDir, cacheDir }: CellJob,
  registry: Registry,
): Promise<CellResources> {
  const context: DataContext = { dataDir, cacheDir };
  const method = findRegistered(registry.methods, 'method', cell.method, 'cell.method');
  const checkpoint = await loadModel(cell.model, context, {}, [...registry.models.values()]);
  const backend = findRegistered(registry.backends, 'backend', cell.backend, 'cell.backend');
  const configured = { definition: method, options: method.options.parse(cell.options) };
  const adapter = cell.adapter && (await readAdapterStart(cell.adapter, configured, checkpoint, registry));
  return {
    method: configured,
    ...(adapter && { adapter }),
    backend: await backend.create(cell.device, backend.options.parse(cell.backendOptions)),
    checkpoint,
    registry,
  };
}

/** A disk without room costs the weights alone, not what training measured; `--resume` makes both again. */
async function keepTrained(
  { runDir, cell }: CellJob,
  trained: TrainedInPhase,
  findings: FindingLog,
): Promise<KeptWeights | null> {
  try {
    return await keepWeights(runDir, cell, trained);
  } catch (error) {
    const { message, where, received } = describeFailure(error);
    findings.add({
      severity: 'error',
      code: 'WEIGHTS_NOT_KEPT',
      where: trained.parts.join('/'),
      message: `The trained weights could not be written; --resume trains the cell again. ${message}`,
      evidence: { file: where, reason: received },
    });
    return null;
  }
}

/** Takes one cell through its phases and analyses. @throws KoraError with the reason when it cannot be finished */
export async function runCell(
  job: CellJob,
  { method, backend, checkpoint, registry, adapter }: CellResources,
  report: ReportProgress,
): Promise<DoneRecord> {
  const startedAt = new Date().toISOString();
  const code = await describeCode(registry);
  const { config, cell, search = null, cacheDir, dataDir } = job;
  const { learningRate } = cell;
  if (learningRate === null) throw new InternalError('The cell’s learning rate is not chosen yet.');
  const { model } = checkpoint;
  const findings = new FindingLog();
  auditRates(findings, job);
  for (const { code, message } of method.definition.caveats?.(method.options) ?? [])
    findings.add({ severity: 'warning', code, where: 'method', message });
  const context: CellContext = {
    backend,
    checkpoint,
    model,
    method,
    seed: cell.seed,
    cacheDir,
    report,
    findings,
    ...(adapter && { adapter }),
    features: cellFeatures(cell, { config, registry, cacheDir, report }),
    writeScores: (parts, split, scores) => writeScores(job, { parts, split, scores }, report),
    ...(config.keepWeights && { keepWeights: (trained) => keepTrained(job, trained, findings) }),
    writeMaps: (parts, maps) => writePredictedMaps(job, { parts, maps }, report),
  };
  const chosen = await resolvePhases(config, registry);
  const datasets = await openDatasets(chosen, { dataDir, cacheDir });
  const planned = chosen.map((phase) =>
    planPhase(phase, datasets.get(phase.config.data)!, {
      config,
      learningRate,
      seed: cell.seed,
      preprocessing: checkpoint.preprocessing,
      method,
      model,
    }),
  );
  const finished = new Map<string, FinishedPhase>();
  for (const phase of planned) {
    const { name, from, headOf } = phase.phase.config;
    const earlier = (asked: string | null | undefined) => (asked ? finished.get(asked) : undefined);
    finished.set(name, await runPhase(context, phase, { from: earlier(from), headOf: earlier(headOf) }));
  }
  const [first] = finished.values();
  if (first === undefined) throw new InternalError('A run has at least one phase.');
  auditOptions(findings, method, { model, task: first.task });
  const analyses = await runAnalyses(context, config, [...finished.values()]);
  const counts = countParameters(model, method, first.task);
  return {
    schemaVersion: 2,
    status: 'done',
    cell,
    config,
    startedAt,
    finishedAt: new Date().toISOString(),
    environment: describeEnvironment(backend),
    code,
    model: {
      fingerprint: checkpoint.fingerprint,
      notes: [...checkpoint.notes],
      backboneParameters: counts.backbone,
      trainableParameters: counts.trainable,
      share: counts.share,
    },
    search,
    phases: [...finished.values()].map(({ record }) => record),
    analyses,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    findings: [...findings.all],
  };
}
