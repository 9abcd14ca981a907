import { InputError } from '@kora-bench/core/errors';
import type { ChosenMethod } from '../config/configure.js';
import type { RunConfig } from '../config/run-config.js';
import type { PlannedPhase } from '../phases/plan-phases.js';

/** Where a default grid has its rates, as multiples of the rate that a method would have without a search. */
const aroundOwn = [0.1, 0.3, 1, 3, 10] as const;
const highestRate = 10;

/**
 * The rates that a method's search tries, rising; undefined without a search.
 * @throws InputError for a method whose definition gives rates that cannot be tried
 */
export function ratesToTry(
  { definition, learningRate }: Pick<ChosenMethod, 'definition' | 'learningRate'>,
  { learningRates, training }: Pick<RunConfig, 'learningRates' | 'training'>,
): readonly number[] | undefined {
  if (learningRates === undefined) return undefined;
  const own = learningRate ?? training.learningRate;
  const rates = learningRates === 'default' ? (ownRates(definition) ?? around(own)) : learningRates;
  return [...new Set(rates)].toSorted((a, b) => a - b);
}

function around(own: number): readonly number[] {
  return aroundOwn.map((factor) => Math.min(highestRate, Number((own * factor).toPrecision(6))));
}

function ownRates({ name, learningRates }: ChosenMethod['definition']): readonly number[] | undefined {
  if (learningRates === undefined) return undefined;
  const fits =
    Array.isArray(learningRates) &&
    new Set(learningRates).size > 1 &&
    learningRates.every((rate) => typeof rate === 'number' && rate > 0 && rate <= highestRate);
  if (fits) return learningRates;
  throw new InputError(`The method ${name} gives learning rates that cannot be tried.`, {
    where: `learningRates of the method ${name}`,
    expected: `at least two different numbers above 0, at most ${highestRate}`,
    received: JSON.stringify(learningRates),
    fix: 'Correct the method’s definition, or give the rates: --learning-rates 0.001,0.003,0.01.',
  });
}

/**
 * The methods and phases of a configuration with a search: its rates take the place of the first phase's own, which
 * is where each method's default grid lies around.
 */
export function withSearchedPhase(config: RunConfig): Pick<RunConfig, 'methods' | 'phases'> {
  const { methods, phases } = config;
  const [first, ...others] = phases;
  const { learningRate, ...training } = first?.training ?? {};
  if (config.learningRates === undefined || first === undefined || learningRate === undefined) return config;
  return {
    methods: methods.map((entry) => ({ ...entry, learningRate })),
    phases: [{ ...first, training }, ...others],
  };
}

/** @throws InputError where the first phase has nothing to choose on */
export function checkSearch({ phase, draws }: PlannedPhase): void {
  if (draws.every(({ val }) => val !== undefined && val.length > 0)) return;
  throw new InputError('There are no validation examples to choose the learning rates on.', {
    where: `${phase.field}.protocol`,
    expected: 'a protocol that sets validation examples aside in the first phase',
    received: phase.protocol.definition.name,
    fix: `Use another protocol there, e.g. --protocol ${phase.config.name}=full, or give the rates: --learning-rate.`,
  });
}
