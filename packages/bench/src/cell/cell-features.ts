import type { FeatureStore, ReportProgress } from '@kora-bench/trainer';
import { fileFeatures } from '../cache/feature-files.js';
import type { RunConfig } from '../config/run-config.js';
import { pluginsOf } from '../plan/plan-cells.js';
import type { Cell } from '../records/record-schema.js';
import type { Registry } from '../registry/registry.js';

export interface CellFeaturesSettings {
  readonly config: RunConfig;
  readonly registry: Registry;
  readonly cacheDir: string;
  readonly report: ReportProgress;
}

/** The kept features of a cell: those that the same backbone, data and engine made of the same images, whoever asked. */
export function cellFeatures(
  cell: Cell,
  { config, registry, cacheDir, report }: CellFeaturesSettings,
): FeatureStore {
  return fileFeatures(cacheDir, {
    code: pluginsOf(cell, config, registry)
      .filter(({ kind }) => kind === 'backends' || kind === 'models' || kind === 'datasets')
      .map(({ kind, digest }) => `${kind} ${digest}`)
      .sort(),
    onProblem: (reason) =>
      report({
        kind: 'message',
        text: `Features cannot be kept on disk: ${reason}. They stay in memory.`,
      }),
  });
}
