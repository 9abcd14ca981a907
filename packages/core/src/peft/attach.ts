import { closest } from 'fastest-levenshtein';
import { InputError, MethodError, ShapeError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { Architecture, TokenLayout, Tokens } from '../nn/architecture.js';
import { tokenCount } from '../nn/architecture.js';
import type { KeysAndValues, SiteSpec } from '../nn/site.js';
import { callerLine } from '../ops/requirements.js';
import { Tensor } from '../tensor/tensor.js';
import type { ConfiguredMethod, MethodHooks } from './method.js';
import { runMethod } from './method-faults.js';

/** Bernoulli noise that a program is fed. */
export interface NoiseSpec {
  /** Name of the feed. */
  readonly feed: string;
  readonly shape: Shape;
  /** Probability of a 1. */
  readonly keep: number;
}

export interface AttachSpec {
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
  readonly stage: string;
  readonly batchSize: number;
  /** Names that `parameter` knows: the backbone's weights and the method's own parameters. */
  readonly names: ReadonlySet<string>;
  readonly parameter: (name: string) => Tensor;
  /** Makes the feed of a noise; absent where the model is evaluated. */
  readonly noise?: (spec: NoiseSpec) => Tensor;
}

/**
 * A method's hooks, watched: whatever goes wrong in them is reported with the method, the site and the line of its
 * author, and what they return must fit the place.
 * @throws MethodError where building them fails
 */
export function attachMethod(spec: AttachSpec): MethodHooks {
  const { model, method, stage, batchSize, names, noise } = spec;
  const { definition, options } = method;
  const watch = <T>(part: string, run: (where: string) => T) => runMethod(definition.name, part, run);
  const parameter = (name: string): Tensor => {
    if (names.has(name)) return spec.parameter(name);
    throw new InputError(`The method ${definition.name} has no parameter "${String(name)}".`, {
      where: callerLine(),
      expected: 'a name that its `parameters` declares, or of one of the backbone’s weights',
      received: String(name),
      fix: `Did you mean ${closest(String(name), [...names])}?`,
    });
  };
  const hooks = watch('attach', () => {
    const noisy = noise && {
      noise: (name: string, shape: Shape, keep: number) =>
        noise({ feed: `noise/${definition.name}/${name}`, shape, keep }),
    };
    return definition.attach?.({ model, options, stage, batchSize, parameter, ...noisy }) ?? {};
  });
  requireHooks(hooks, definition.name);
  const at = (what: string, name: string) => `${what} hook at ${name}`;
  const { value, weight, bias, tokens, keysAndValues, penalty } = hooks;
  return {
    ...(value && {
      value: (site) =>
        watch(at('value', site.name), (where) => sameShaped(hooks.value!(site), site.value, where)),
    }),
    ...(weight && { weight: reparametrization('weight') }),
    ...(bias && { bias: reparametrization('bias') }),
    ...(tokens && {
      tokens: (site) =>
        watch(at('tokens', `blocks.${site.block}`), (where) =>
          checkTokens(hooks.tokens!(site), site.tokens, { where, model }),
        ),
    }),
    ...(keysAndValues && {
      keysAndValues: (site) =>
        watch(at('keysAndValues', `blocks.${site.block}`), (where) =>
          checkKeysAndValues(hooks.keysAndValues!(site), site, where),
        ),
    }),
    ...(penalty && {
      penalty: () => watch('penalty', (where) => requireScalar(hooks.penalty!(), where)),
    }),
  };

  function reparametrization(kind: 'weight' | 'bias') {
    return (site: SiteSpec, before: Tensor) =>
      watch(at(kind, site.name), (where) => sameShaped(hooks[kind]!(site, before), before, where));
  }
}

/** The hooks that {@link MethodHooks} knows. */
const hookNames = [
  'value',
  'weight',
  'bias',
  'tokens',
  'keysAndValues',
  'penalty',
] as const satisfies readonly (keyof MethodHooks)[];

function requireHooks(hooks: MethodHooks, method: string): void {
  const known = new Set<string>(hookNames);
  const given: unknown = hooks;
  const fault = (received: string, fix: string) =>
    new MethodError(`attach of the method ${method} does not return hooks.`, {
      where: `method ${method}`,
      expected: `an object with functions among ${hookNames.join(', ')}`,
      received,
      fix,
    });
  if (typeof given !== 'object' || given === null)
    throw fault(typeof given, 'Return e.g. { value: (site) => site.value }.');
  for (const [name, hook] of Object.entries(given)) {
    if (!known.has(name)) throw fault(`"${name}"`, `Did you mean ${closest(name, [...known])}?`);
    if (hook !== undefined && typeof hook !== 'function')
      throw fault(`${name}: ${typeof hook}`, `Make ${name} a function, or leave it out.`);
  }
}

function requireTensor(value: unknown, where: string): Tensor {
  if (value instanceof Tensor) return value;
  throw new MethodError(`The ${where} returns no tensor.`, {
    where,
    expected: 'a Tensor',
    received: value === undefined ? 'nothing' : typeof value,
    fix: 'Return the value to go on with; what came in, where nothing changes.',
  });
}

function sameShaped(value: unknown, before: Tensor, where: string): Tensor {
  const after = requireTensor(value, where);
  if (sameShape(after.shape, before.shape)) return after;
  throw new ShapeError(`The ${where} changes the shape.`, {
    expected: formatShape(before.shape),
    received: formatShape(after.shape),
    where,
    fix: 'Return a value of the same shape.',
  });
}

function requireScalar(value: unknown, where: string): Tensor {
  const penalty = requireTensor(value, where);
  if (penalty.rank === 0) return penalty;
  throw new ShapeError(`The ${where} is not a scalar.`, {
    expected: '[]',
    received: formatShape(penalty.shape),
    where,
    fix: 'Reduce it with sum or mean.',
  });
}

function checkTokens(
  after: Tokens,
  before: Tokens,
  { where, model }: { readonly where: string; readonly model: Architecture },
): Tokens {
  if (after === before) return after;
  const value = requireTensor(after?.value, where);
  const kept = ({ prefix, grid }: TokenLayout) =>
    `${prefix.filter((token) => token !== 'prompt').join(' ')}|${grid.join('×')}`;
  if (after.layout === undefined || kept(after.layout) !== kept(before.layout)) {
    throw new ShapeError(`The ${where} drops or moves tokens of the model.`, {
      where,
      expected: `the tokens ${describeLayout(before.layout)}, with prompts between them`,
      received: after.layout === undefined ? 'no layout' : describeLayout(after.layout),
      fix: 'Add and replace prompts only, and keep the order of the others.',
    });
  }
  const [batch, , width] = before.value.shape;
  const expected = [batch!, tokenCount(after.layout), width!];
  if (!sameShape(value.shape, expected)) {
    throw new ShapeError(`The ${where} returns tokens that are not as many as their layout says.`, {
      where,
      expected: formatShape(expected),
      received: formatShape(value.shape),
      fix: 'Name every prompt once in layout.prefix.',
    });
  }
  if (!model.acceptsPrompts && tokenCount(after.layout) !== tokenCount(before.layout)) {
    throw new InputError(`${model.name} cannot take prompts.`, {
      where,
      expected: `${tokenCount(before.layout)} tokens: the model’s attention has a bias per pair of positions`,
      received: `${tokenCount(after.layout)} tokens`,
      fix: 'Use a method without prompts, or a model with plain attention.',
    });
  }
  return after;
}

function describeLayout({ prefix, grid }: TokenLayout): string {
  return [...prefix, `${grid.join('×')} patches`].join(', ');
}

function checkKeysAndValues(after: KeysAndValues, before: KeysAndValues, where: string): KeysAndValues {
  const [keys, values] = [requireTensor(after?.keys, where), requireTensor(after?.values, where)];
  const open = (shape: Shape) => [shape[0]!, shape[1]!, 0, shape[3]!];
  const fits =
    keys.rank === 4 &&
    values.rank === 4 &&
    keys.shape[2] === values.shape[2] &&
    sameShape(open(keys.shape), open(before.keys.shape)) &&
    sameShape(open(values.shape), open(before.values.shape));
  if (fits) return { keys, values };
  const [batch, heads, , width] = before.keys.shape;
  throw new ShapeError(`The ${where} returns keys and values that do not belong together.`, {
    where,
    expected: `[${batch}, ${heads}, M, ${width}] for both, with one M`,
    received: `${formatShape(keys.shape)} and ${formatShape(values.shape)}`,
    fix: 'Join your own along axis 2 of both.',
  });
}
