import { InternalError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import { randomStream } from '../random/random-stream.js';

/** How a trainable parameter starts. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number }
  /** Normal, redrawn outside ±2 standard deviations, as ViT heads are initialised. */
  | { readonly kind: 'truncatedNormal'; readonly std: number }
  /** Uniform in ±√(6 / ((1 + a²)·fanIn)), fanIn the last axis (He et al. 2015); a = √5 is PyTorch's nn.Linear. */
  | { readonly kind: 'kaimingUniform'; readonly a: number }
  /** Uniform in ±1/√fanIn, PyTorch's bias of an nn.Linear that reads `fanIn` features. */
  | { readonly kind: 'uniformFanIn'; readonly fanIn: number }
  /** The identity matrix plus normal noise. */
  | { readonly kind: 'nearIdentity'; readonly std: number };

/** A trainable parameter that a method or a task brings along. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initializer;
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
      for (let i = 0; i < data.length; i++) data[i] = init.std * random.normal();
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
  }
  return data;
}

/** A weight `[out, in]` started as PyTorch's nn.Linear starts its own. */
export const linearInit: Initializer = { kind: 'kaimingUniform', a: Math.sqrt(5) };
