import { closest } from 'fastest-levenshtein';
import { InputError, KoraError, MethodError } from '../errors/kora-error.js';
import type { Architecture } from '../nn/architecture.js';
import { authorLine } from '../ops/requirements.js';
import type { ConfiguredMethod } from './method.js';
import type { ParameterSpec } from './parameter.js';
import { initializerKinds } from './parameter.js';

/**
 * Runs a part of a method's definition.
 * @param part what it is, e.g. `value hook at blocks.3.attn.v`
 * @param run the author's code; it gets `method NAME, PART`, for messages about what came back
 * @throws MethodError for whatever goes wrong, with the line of the author
 */
export function runMethod<T>(method: string, part: string, run: (where: string) => T): T {
  const where = `method ${method}, ${part}`;
  try {
    return run(where);
  } catch (error) {
    // What a method refuses where it lists its parameters is about its options on this model, not about its code.
    if (error instanceof MethodError || (error instanceof InputError && part === 'parameters')) throw error;
    const line = authorLine(error);
    const known = error instanceof KoraError ? error : undefined;
    const message = error instanceof Error ? error.message : String(error);
    throw new MethodError(`The method ${method} fails in its ${part}: ${message}`, {
      where: known?.where ?? line ?? where,
      ...(known?.expected !== undefined && { expected: known.expected }),
      ...(known?.received !== undefined && { received: known.received }),
      fix: known?.fix ?? `Correct the method${line === undefined ? '' : ` at ${line}`}.`,
      cause: error,
    });
  }
}

/**
 * A method's parameters on a model.
 * @throws MethodError naming every fault: names, shapes, initialisers, factors; or what `parameters` itself throws
 */
export function methodParameters(
  { definition, options }: ConfiguredMethod,
  model: Architecture,
): readonly ParameterSpec[] {
  const specs = runMethod(definition.name, 'parameters', () => definition.parameters(model, options));
  const faults = Array.isArray(specs)
    ? specs.flatMap((spec: unknown, index) => faultsOf(spec, index))
    : ['parameters: returns no array'];
  if (faults.length === 0) return specs;
  throw new MethodError(`The method ${definition.name} declares parameters that cannot be made.`, {
    where: `method ${definition.name}, parameters`,
    expected: `{ name, shape, init } with positive extents and init.kind among ${initializerKinds.join(', ')}`,
    received: faults.join('; '),
    fix: 'Correct the specs that `parameters` returns.',
  });
}

function faultsOf(spec: unknown, index: number): string[] {
  if (typeof spec !== 'object' || spec === null) return [`parameters[${index}]: ${typeof spec}`];
  const { name, shape, init, update } = spec as Partial<ParameterSpec>;
  const at = typeof name === 'string' && name !== '' ? name : `parameters[${index}]`;
  const faults: string[] = [];
  if (at !== name) faults.push(`${at}: name ${JSON.stringify(name)}`);
  const extents: readonly unknown[] | undefined = Array.isArray(shape) ? shape : undefined;
  if (extents === undefined || !extents.every((extent) => Number.isInteger(extent) && Number(extent) > 0))
    faults.push(`${at}: shape ${JSON.stringify(shape)}`);
  const kind: unknown = init?.kind;
  if (!initializerKinds.some((known) => known === kind)) {
    const near = typeof kind === 'string' ? `, did you mean ${closest(kind, [...initializerKinds])}?` : '';
    faults.push(`${at}: init.kind ${JSON.stringify(kind)}${near}`);
  }
  for (const [factor, value] of Object.entries(update ?? {})) {
    if (!(typeof value === 'number' && value >= 0 && Number.isFinite(value)))
      faults.push(`${at}: update.${factor} ${String(value)}`);
  }
  return faults;
}
