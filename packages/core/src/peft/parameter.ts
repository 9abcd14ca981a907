import { InputError, InternalError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import { randomStream } from '../random/random-stream.js';

/** How a trainable parameter starts. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'constant'; readonly value: number }
  /** With the mean 0 unless given. */
  | { readonly kind: 'normal'; readonly std: number; readonly mean?: number }
  /** Uniform in ±bound. */
  | { readonly kind: 'uniform'; readonly bound: number }
  /** Normal, redrawn outside ±2 standard deviations, as ViT heads are initialised. */
  | { readonly kind: 'truncatedNormal'; readonly std: number }
  /** Uniform in ±√(6 / ((1 + a²)·fanIn)), fanIn the last axis (He et al. 2015); a = √5 is PyTorch's nn.Linear. */
  | { readonly kind: 'kaimingUniform'; readonly a: number }
  /** Uniform in ±√(6 / (fanIn + fanOut)) of a matrix `[out, in]` (Glorot & Bengio 2010). */
  | { readonly kind: 'xavierUniform' }
  /** Uniform in ±1/√fanIn, PyTorch's bias of an nn.Linear that reads `fanIn` features. */
  | { readonly kind: 'uniformFanIn'; readonly fanIn: number }
  /** The identity matrix plus normal noise. */
  | { readonly kind: 'nearIdentity'; readonly std: number };

/** How a parameter's update differs from the others'. */
export interface UpdateFactors {
  /** Factor on the learning rate, 0 or above; 1 by default. */
  readonly learningRate?: number;
  /** Factor on the weight decay, 0 or above; 1 by default. */
  readonly weightDecay?: number;
}

/** A parameter that a method or a task brings along. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initializer;
  /** Drawn once and then left alone: neither trained nor counted. */
  readonly constant?: boolean;
  readonly update?: UpdateFactors;
}

/** The start value of a parameter: a pure function of its spec and the seed. */
export function initialValue({ name, shape, init }: ParameterSpec, seed: number): Float32Array {
  const data = new Float32Array(sizeOf(shape));
  const random = randomStream(seed, `init/${name}`);
  const uniform = (bound: number) => {
    for (let i = 0; i < data.length; i++) data[i] = (2 * random.uniform() - 1) * bound;
  };
  switch (init.kind) {
    case 'zeros':
      break;
    case 'constant':
      data.fill(init.value);
      break;
    case 'normal':
      for (let i = 0; i < data.length; i++) data[i] = (init.mean ?? 0) + init.std * random.normal();
      break;
    case 'uniform':
      uniform(init.bound);
      break;
    case 'truncatedNormal':
      for (let i = 0; i < data.length; i++) {
        let draw = random.normal();
        while (Math.abs(draw) > 2) draw = random.normal();
        data[i] = init.std * draw;
      }
      break;
    case 'kaimingUniform':
      uniform(Math.sqrt(6 / ((1 + init.a ** 2) * shape.at(-1)!)));
      break;
    case 'xavierUniform':
      uniform(Math.sqrt(6 / (shape.at(-1)! + shape.at(-2)!)));
      break;
    case 'uniformFanIn':
      uniform(1 / Math.sqrt(init.fanIn));
      break;
    case 'nearIdentity': {
      const [rows, columns] = [shape[0], shape[1]];
      if (shape.length !== 2 || rows !== columns) throw new InternalError(`${name} is not square.`);
      for (let i = 0; i < data.length; i++) data[i] = init.std * random.normal();
      for (let i = 0; i < rows!; i++) data[i * columns! + i]! += 1;
      break;
    }
    default:
      throw new InputError(`The parameter ${name} cannot start as it says.`, {
        where: `${name}: init.kind`,
        expected: initializerKinds.join(', '),
        received: String((init as { readonly kind?: unknown }).kind),
        fix: 'Name one of these, or compute start values in the method’s `initialize`.',
      });
  }
  return data;
}

/** The kinds of {@link Initializer}. */
export const initializerKinds = [
  'zeros',
  'constant',
  'normal',
  'truncatedNormal',
  'uniform',
  'kaimingUniform',
  'xavierUniform',
  'uniformFanIn',
  'nearIdentity',
] as const satisfies readonly Initializer['kind'][];

/** A weight `[out, in]` started as PyTorch's nn.Linear starts its own. */
export const linearInit: Initializer = { kind: 'kaimingUniform', a: Math.sqrt(5) };
