import { InputError } from '@kora-bench/core/errors';
import type { ChosenMethod } from '../config/configure.js';
import type { MethodEntry, RunConfig } from '../config/run-config.js';
import { suggestion } from '../input/check-input.js';
import { ratesToTry } from './learning-rates.js';

/**
 * Every ablation has its full method in the run, and the same budget: the same learning rate, or the same rates to
 * choose from. Epochs, examples and phases are one for all methods of a run.
 * @param entries of the configuration, with labels that are their own
 * @param methods what they are, in the same order
 * @throws InputError naming the entry
 */
export function checkAblations(
  entries: readonly MethodEntry[],
  methods: readonly ChosenMethod[],
  config: RunConfig,
): void {
  const labels = methods.map(({ label }) => label);
  for (const [index, { ablates }] of entries.entries()) {
    if (ablates === undefined) continue;
    const field = `methods[${index}].ablates.of`;
    const at = labels.indexOf(ablates.of);
    const full = entries[at];
    if (full === undefined) {
      throw new InputError(`${labels[index]} is compared with "${ablates.of}", which is not in the run.`, {
        where: field,
        expected: `the label of another method of the run: ${labels.join(', ')}`,
        received: ablates.of,
        fix: suggestion(ablates.of, labels, `Add ${ablates.of} to the methods, e.g. by --method.`),
      });
    }
    if (full.ablates !== undefined) {
      throw new InputError(`${labels[index]} is compared with an ablation.`, {
        where: field,
        expected: 'a full method: an entry without `ablates`',
        received: `${ablates.of}, which is compared with ${full.ablates.of}`,
        fix: `Compare both with ${full.ablates.of}.`,
      });
    }
    const budgets = [methods[index]!, methods[at]!].map((method) => budgetOf(method, config));
    if (budgets[0] !== budgets[1]) {
      throw new InputError(`${labels[index]} and ${ablates.of} do not have the same budget.`, {
        where: `methods[${index}].learningRate`,
        expected: `that of ${ablates.of}: ${budgets[1]}`,
        received: budgets[0]!,
        fix: 'Give both the same learning rate, or search both at the same rates: --learning-rates 0.005,0.015,0.05.',
      });
    }
  }
}

function budgetOf(method: ChosenMethod, config: RunConfig): string {
  const rates = ratesToTry(method, config);
  return rates === undefined
    ? `learning rate ${method.learningRate ?? config.training.learningRate}`
    : `a search at ${rates.join(', ')}`;
}
