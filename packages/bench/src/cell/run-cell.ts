import { countParameters, InternalError } from '@kora-bench/core';
import type { ReportProgress } from '@kora-bench/trainer';
import { runAnalyses } from '../analyses/index.js';
import { FindingLog } from '../audits/finding-log.js';
import { fileFeatures } from '../cache/feature-files.js';
import type { CellContext } from '../phases/context.js';
import { openDatasets, planPhase } from '../phases/plan-phases.js';
import { resolvePhases } from '../phases/resolve-phases.js';
import type { FinishedPhase } from '../phases/run-phase.js';
import { runPhase } from '../phases/run-phase.js';
import type { DoneRecord } from '../records/record-schema.js';
import { writeScores } from '../records/scores-file.js';
import { describeCode, describeEnvironment } from './environment.js';
import type { CellJob, CellResources } from './resources.js';

/** Takes one cell through its phases and analyses. @throws KoraError with the reason when it cannot be finished */
export async function runCell(
  job: CellJob,
  { method, backend, checkpoint, registry }: CellResources,
  report: ReportProgress,
): Promise<DoneRecord> {
  const startedAt = new Date().toISOString();
  const { config, cell, cacheDir, dataDir } = job;
  const model = checkpoint.config;
  const findings = new FindingLog();
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
    features: fileFeatures(cacheDir, (reason) =>
      report({
        kind: 'message',
        text: `Features cannot be kept on disk: ${reason}. They stay in memory.`,
      }),
    ),
    writeScores: (name, split, scores) => writeScores(job, { name, split, scores }, report),
  };
  const chosen = await resolvePhases(config, registry);
  const datasets = await openDatasets(chosen, { dataDir, cacheDir });
  const planned = chosen.map((phase) =>
    planPhase(phase, datasets.get(phase.config.data)!, {
      config,
      learningRate: cell.learningRate,
      seed: cell.seed,
      preprocessing: checkpoint.preprocessing,
      method,
      model,
    }),
  );
  const finished = new Map<string, FinishedPhase>();
  for (const phase of planned) {
    const { name, from } = phase.phase.config;
    finished.set(name, await runPhase(context, phase, from === null ? undefined : finished.get(from)));
  }
  const analyses = await runAnalyses(context, config, [...finished.values()]);
  const [first] = finished.values();
  if (first === undefined) throw new InternalError('A run has at least one phase.');
  const counts = countParameters(model, method, first.task);
  return {
    schemaVersion: 2,
    status: 'done',
    cell,
    config,
    startedAt,
    finishedAt: new Date().toISOString(),
    environment: describeEnvironment(backend),
    code: await describeCode(config.plugins),
    model: {
      fingerprint: checkpoint.fingerprint,
      notes: [...checkpoint.notes],
      backboneParameters: counts.backbone,
      trainableParameters: counts.trainable,
      share: counts.share,
    },
    phases: [...finished.values()].map(({ record }) => record),
    analyses,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    findings: [...findings.all],
  };
}
