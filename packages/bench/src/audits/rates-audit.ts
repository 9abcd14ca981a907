import type { RunConfig } from '../config/run-config.js';
import type { Cell, SearchRecord } from '../records/record-schema.js';
import type { FindingLog } from './data-audit.js';

/** What a reader must know of a cell's learning rate: that its search ended at an edge, or that it was chosen for something else. */
export function auditRates(
  findings: FindingLog,
  {
    cell,
    config,
    search,
  }: { readonly cell: Cell; readonly config: RunConfig; readonly search?: SearchRecord },
): void {
  if (search?.edge) {
    findings.add({
      severity: 'warning',
      code: 'LEARNING_RATE_EDGE',
      where: search.phase,
      message: `The chosen learning rate is the ${search.edge} of those tried: a better one may lie beyond.`,
      evidence: { chosen: search.chosen, tried: search.tried.map(({ learningRate }) => learningRate) },
    });
  }
  const message = ratesChosenElsewhere(config, cell.model);
  if (search !== undefined || message === undefined) return;
  findings.add({
    severity: 'warning',
    code: 'RATES_CHOSEN_ELSEWHERE',
    where: config.phases[0]!.name,
    message,
    evidence: { chosenFor: config.ratesChosenFor, model: cell.model, data: config.phases[0]!.data },
  });
}

/** What is wrong with using a suite's learning rates for a model and the run's data; undefined where nothing is. */
export function ratesChosenElsewhere(
  { learningRates, ratesChosenFor, phases }: RunConfig,
  model: string,
): string | undefined {
  if (learningRates !== undefined || ratesChosenFor === null) return undefined;
  const { data } = phases[0]!;
  if (ratesChosenFor.model === model && ratesChosenFor.data === data) {
    return ratesChosenFor.split === 'val'
      ? undefined
      : 'The learning rates were chosen on the split that is scored here, so the scores flatter the methods. ' +
          '--learning-rates default chooses them on val.';
  }
  return (
    `The learning rates were chosen for ${ratesChosenFor.model} on ${ratesChosenFor.data}, not for ${model} on ${data}: ` +
    'at others the order of the methods may be another. --learning-rates default chooses them anew.'
  );
}
