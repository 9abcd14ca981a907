import { referenceBackend } from '@kora-bench/backend-reference';
import { gradients } from '@kora-bench/core/autodiff';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, Program, Tensor } from '@kora-bench/core/graph';
import { mul, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { CaseInputs } from './case-inputs.js';

/** A value and what it is differentiated by; each of `wrt` must be a feed. */
export interface Differentiable {
  readonly y: Tensor;
  readonly wrt: Readonly<Record<string, Tensor>>;
}

export interface GradientError {
  /** Name of the differentiated input. */
  readonly input: string;
  /** ‖autodiff − finite differences‖∞ / ‖finite differences‖∞. */
  readonly relativeError: number;
}

/**
 * Compares autodiff with central differences, (f(x + h) − f(x − h)) / 2h, in float64 through the
 * reference backend. f is a random weighting of all elements of `y`, so that no adjoint is constant
 * or symmetric by chance. With h = 1e-5 both truncation and rounding stay near 1e-10.
 * @param label seeds the inputs' values
 */
export async function finiteDifferenceErrors(
  label: string,
  build: (inputs: CaseInputs) => Differentiable,
): Promise<GradientError[]> {
  const inputs = new CaseInputs(label);
  const { y, wrt } = build(inputs);
  const loss = sum(mul(y, inputs.feed(y.shape)));
  const found = gradients(loss, Object.values(wrt));
  const names = Object.keys(wrt);
  const missing = names.filter((_, i) => found[i] === undefined);
  if (missing.length > 0) throw new InputError(`No gradient reaches ${missing.join(', ')}.`);

  const built = names.map((name, i) => [`d${name}`, found[i]!] as const);
  const program = makeProgram({ loss, ...Object.fromEntries(built) });
  const evaluate = await evaluator(program, inputs);
  const analytic = await evaluate(inputs.feeds, [...program.outputs.keys()]);
  const errors: GradientError[] = [];
  for (const [input, tensor] of Object.entries(wrt)) {
    const numeric = await centralDifferences(feedName(tensor), inputs, async (feeds) => {
      return (await evaluate(feeds, ['loss'])).loss!.data[0]!;
    });
    errors.push({ input, relativeError: maxNormError(analytic[`d${input}`]!, numeric) });
  }
  return errors;
}

type Feeds = Record<string, HostTensor>;

async function evaluator(program: Program, { weights, state }: CaseInputs) {
  const backend = await referenceBackend.create('cpu', { lower: false });
  const executable = await backend.compile(program, weights);
  const held = await backend.createState(state);
  const declared = new Set(program.nodes.flatMap(({ op }) => (op.kind === 'feed' ? [op.name] : [])));
  return (feeds: Feeds, fetch: readonly string[]) => {
    const needed = Object.fromEntries(Object.entries(feeds).filter(([name]) => declared.has(name)));
    return executable.run({ feeds: needed, state: held, fetch });
  };
}

async function centralDifferences(
  name: string,
  { feeds }: CaseInputs,
  loss: (feeds: Feeds) => Promise<number>,
): Promise<Float64Array> {
  const h = 1e-5;
  const original = feeds[name]!;
  const at = (i: number, offset: number) => {
    const data = Float64Array.from(original.data);
    data[i]! += offset;
    return loss({ ...feeds, [name]: { ...original, data } });
  };
  const numeric = new Float64Array(original.data.length);
  for (let i = 0; i < numeric.length; i++) numeric[i] = ((await at(i, h)) - (await at(i, -h))) / (2 * h);
  return numeric;
}

function feedName(tensor: Tensor): string {
  const { op } = tensor.builder.node(tensor.id);
  if (op.kind !== 'feed') throw new InputError('Finite differences are taken with respect to feeds.');
  return op.name;
}

function maxNormError({ data }: HostTensor, numeric: Float64Array): number {
  if (data.length !== numeric.length) return Infinity;
  const scale = numeric.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const error = numeric.reduce((largest, value, i) => Math.max(largest, Math.abs(value - data[i]!)), 0);
  return error === 0 ? 0 : error / scale;
}
