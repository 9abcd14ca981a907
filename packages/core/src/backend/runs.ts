import { InputError } from '../errors/kora-error.js';
import type { GraphNode, Program } from '../graph/graph.js';
import { sourcesOf } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import type { RunOptions } from './backend.js';

/**
 * Makes the check that a run's feeds, state and fetches are what the program declares; every backend calls
 * it before it starts the engine. What the program declares is looked for once.
 * @returns a function that throws an InputError naming the feed, state or output
 */
export function runCheck(program: Program): (options: RunOptions) => void {
  const declared = sourcesOf(program, 'feed');
  const feedNames = declared.map(({ name }) => name);
  const outputNames = [...program.outputs.keys()];
  const states = new Set([...sourcesOf(program, 'state').map(({ name }) => name), ...program.updates.keys()]);
  return ({ feeds, state, fetch = [] }) => {
    for (const { name, node } of declared) checkValue('feed', name, feeds[name], node);
    for (const name of Object.keys(feeds)) requireKnown('feed', name, feedNames);
    for (const name of fetch) requireKnown('output', name, outputNames);
    const stateNames = state?.names ?? [];
    for (const name of states) requireKnown('state', name, stateNames);
  };
}

/** @throws InputError naming the weight */
export function checkWeights(program: Program, weights: Weights): void {
  for (const { name, node } of sourcesOf(program, 'frozen')) {
    checkValue('frozen weight', name, weights.get(name), node);
  }
}

function checkValue(
  kind: string,
  name: string,
  value: HostTensor | undefined,
  { shape, dtype }: GraphNode,
): void {
  if (value !== undefined && value.dtype === dtype && sameShape(value.shape, shape)) return;
  const where = `${kind} "${name}"`;
  const expected = `${dtype} ${formatShape(shape)}`;
  if (value === undefined) {
    throw new InputError(`The ${where} is missing.`, { expected, received: 'nothing', where });
  }
  const received = `${value.dtype} ${formatShape(value.shape)}`;
  throw new InputError(`The ${where} does not fit.`, { expected, received, where });
}

function requireKnown(kind: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new InputError(`There is no ${kind} named "${name}".`, {
    expected: known.length === 0 ? `no ${kind}` : `one of ${known.join(', ')}`,
    received: name,
    where: `${kind} "${name}"`,
  });
}

/** Runs asynchronous jobs one after the other, in the order in which they were given. */
export class RunQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what `job` returns; a job that fails does not stop those behind it */
  run<T>(job: () => Promise<T> | T): Promise<T> {
    const result = this.#last.then(job, job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
