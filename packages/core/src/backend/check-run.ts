import { InputError } from '../errors/kora-error.js';
import type { Program } from '../graph/graph.js';
import { sourcesOf } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { RunOptions, Weights } from './backend.js';

/**
 * Checks that a run's feeds, state and fetches are what the program declares; every backend calls it
 * before it starts the engine.
 * @throws InputError naming the feed, state or output
 */
export function checkRun(program: Program, { feeds, state, fetch = [] }: RunOptions): void {
  const declared = sourcesOf(program, 'feed');
  for (const { name, node } of declared) checkValue(`feed "${name}"`, feeds[name], node.shape, node.dtype);
  const names = declared.map(({ name }) => name);
  for (const name of Object.keys(feeds)) requireKnown('feed', name, names);
  for (const name of fetch) requireKnown('output', name, [...program.outputs.keys()]);
  const states = new Set([...sourcesOf(program, 'state').map(({ name }) => name), ...program.updates.keys()]);
  for (const name of states) requireKnown('state', name, state?.names ?? []);
}

/** @throws InputError naming the weight */
export function checkWeights(program: Program, weights: Weights): void {
  for (const { name, node } of sourcesOf(program, 'frozen')) {
    checkValue(`frozen weight "${name}"`, weights.get(name), node.shape, node.dtype);
  }
}

function checkValue(
  what: string,
  value: HostTensor | undefined,
  shape: readonly number[],
  dtype: string,
): void {
  const expected = `${dtype} ${formatShape(shape)}`;
  if (value === undefined) {
    throw new InputError(`The ${what} is missing.`, { expected, received: 'nothing', where: what });
  }
  if (!sameShape(value.shape, shape) || value.dtype !== dtype) {
    throw new InputError(`The ${what} does not fit.`, {
      expected,
      received: `${value.dtype} ${formatShape(value.shape)}`,
      where: what,
    });
  }
}

function requireKnown(kind: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new InputError(`There is no ${kind} named "${name}".`, {
    expected: known.length === 0 ? `no ${kind}` : `one of ${known.join(', ')}`,
    received: name,
    where: `${kind} "${name}"`,
  });
}
