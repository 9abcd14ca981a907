import { InputError } from '@kora-bench/core/errors';
import type { Architecture } from '@kora-bench/core/nn';
import type { Task } from '@kora-bench/core/training';
import { countParameters } from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import type { ChosenMethod } from '../config/configure.js';
import type { MethodEntry, RunConfig } from '../config/run-config.js';
import { suggestion } from '../input/check-input.js';
import { percent } from '../table/text-table.js';
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

/**
 * Ablations that ask for it have as many parameters as their full method, heads not counted.
 * @param methods the entries of the configuration, in its order
 * @throws InputError naming the entry and both counts
 */
export function checkParameterBudgets(
  { methods: entries }: Pick<RunConfig, 'methods'>,
  methods: readonly ChosenMethod[],
  model: Architecture,
): void {
  const labels = methods.map(({ label }) => label);
  const counts = methods.map((method) => countParameters(model, method, noHead).trainable);
  for (const [index, { ablates }] of entries.entries()) {
    if (ablates?.parameters === undefined) continue;
    const own = counts[index]!;
    const full = counts[labels.indexOf(ablates.of)]!;
    if (Math.abs(own - full) <= ablates.parameters * full) continue;
    const count = (value: number) => value.toLocaleString('en');
    throw new InputError(`${labels[index]} and ${ablates.of} do not have the same number of parameters.`, {
      where: `methods[${index}].ablates.parameters`,
      expected: `${count(full)} parameters, those of ${ablates.of}, within ${percent(ablates.parameters)} %`,
      received: `${count(own)}, ${percent(Math.abs(own / full - 1))} % ${own > full ? 'more' : 'fewer'}`,
      fix: `Change the options of ${labels[index]} that decide its size, e.g. its rank, or remove "parameters" and compare unequal sizes.`,
    });
  }
}

/** Heads are the same for all methods. */
const noHead: Task = { ...classificationTask(2), parameters: () => [] };

function budgetOf(method: ChosenMethod, config: RunConfig): string {
  const rates = ratesToTry(method, config);
  return rates === undefined
    ? `learning rate ${method.learningRate ?? config.training.learningRate}`
    : `a search at ${rates.join(', ')}`;
}
