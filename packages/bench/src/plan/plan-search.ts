import type { ChosenMethod } from '../config/configure.js';
import type { MethodEntry } from '../config/run-config.js';
import { canonicalJson } from '../input/json.js';
import type { Cell } from '../records/record-schema.js';
import { ratesToTry } from './learning-rates.js';
import type { ResolvedConfig } from './resolve-config.js';

/*
 * The search for learning rates is a run of its own, in the folder `search` of the run that it is for: each method
 * trains the first phase once with each rate, with the first seed, and is scored on val. So a trial is a cell like any
 * other, in a separate process with its own record, and what is done needs not be done again.
 */

/** The run that chooses the learning rates of another one; undefined where that needs none. */
export function searchOf(resolved: ResolvedConfig): ResolvedConfig | undefined {
  const { config, methods } = resolved;
  if (config.learningRates === undefined) return undefined;
  const trials = new Map<string, { readonly entry: MethodEntry; readonly method: ChosenMethod }>();
  for (const [index, method] of methods.entries()) {
    for (const learningRate of ratesToTry(method, config)!) {
      const label = `${method.label} at ${learningRate}`;
      const key = canonicalJson([
        method.definition.name,
        method.options,
        method.adapter ?? null,
        learningRate,
      ]);
      // Two entries may differ in nothing but their rates.
      if (trials.has(key)) continue;
      // A trial is compared with nothing but the other rates of its method.
      const { ablates, ...own } = config.methods[index]!;
      const entry = { ...own, label, learningRate };
      trials.set(key, { entry, method: { ...method, label, learningRate } });
    }
  }
  const [first] = resolved.phases;
  const phase = { ...first!, config: { ...first!.config, evaluate: ['val' as const] } };
  const { learningRates, ratesChosenFor, ...shared } = config;
  return {
    ...resolved,
    config: {
      ...shared,
      description: 'The search for the learning rates of another run, scored on val.',
      ratesChosenFor: null,
      keepWeights: false,
      published: [],
      methods: [...trials.values()].map(({ entry }) => entry),
      seeds: [config.seeds[0]!],
      phases: [phase.config],
      analyses: [],
    },
    methods: [...trials.values()].map(({ method }) => method),
    phases: [phase],
    analyses: [],
  };
}

/** The trials that a cell's rate is chosen from, by rising rate. */
export function trialsOf(cell: Cell, trials: readonly Cell[]): readonly (Cell & { learningRate: number })[] {
  const settings = ({ method, options, adapter, backend, device, backendOptions, model }: Cell) =>
    canonicalJson({ method, options, adapter, backend, device, backendOptions, model });
  return (cell.learningRates ?? []).flatMap((learningRate) => {
    const trial = trials.find((one) => one.learningRate === learningRate && settings(one) === settings(cell));
    return trial === undefined ? [] : [{ ...trial, learningRate }];
  });
}
