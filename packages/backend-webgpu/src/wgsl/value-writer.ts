import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import type { Place } from './place.js';
import { axesOf, axesPlace, flatOf, flatPlace, placeKey } from './place.js';
import { binary, cast, compare, literal, unary } from './scalar.js';

/** The names in a kernel: of the buffers that it reads and of what it computes. */
export class KernelNames {
  readonly #names = new Map<NodeId, string>();
  #values = 0;

  /** A new name for a value. */
  fresh(): string {
    return `v${this.#values++}`;
  }

  /** The name of the buffer of `id`, which the kernel reads from now on. */
  bufferOf(id: NodeId): string {
    let name = this.#names.get(id);
    if (name === undefined) {
      name = `in${this.#names.size}`;
      this.#names.set(id, name);
    }
    return name;
  }

  get buffers(): readonly NodeId[] {
    return [...this.#names.keys()];
  }
}

export interface ValueWriterContext {
  readonly program: Program;
  /** Values that are in a buffer of their own; all others are computed where they are read. */
  readonly stored: ReadonlySet<NodeId>;
  readonly names: KernelNames;
  /** Values that the kernel has computed itself, at the element that it works on. */
  readonly given?: ReadonlyMap<NodeId, string>;
}

/**
 * Writes WGSL statements that compute elements of values. Views (reshape, transpose, slice, …) only change
 * the place that is read, elementwise ops are computed in registers. One writer serves one WGSL block.
 */
export class ValueWriter {
  readonly lines: string[] = [];
  readonly #context: ValueWriterContext;
  readonly #known = new Map<string, string>();

  constructor(context: ValueWriterContext) {
    this.#context = context;
  }

  readonly define = (expression: string): string => {
    const known = this.#known.get(expression);
    if (known !== undefined) return known;
    const name = this.#context.names.fresh();
    this.lines.push(`let ${name} = ${expression};`);
    this.#known.set(expression, name);
    return name;
  };

  /** The name of the element of `id` at `place`. */
  value(id: NodeId, place: Place): string {
    const { program, stored, given, names } = this.#context;
    const own = given?.get(id);
    if (own !== undefined) return own;
    const node = program.nodes[id]!;
    const { op, shape, dtype } = node;
    if (op.kind === 'constant' && sizeOf(shape) === 1) return literal(op.data[0]!, dtype);
    if (stored.has(id)) {
      const element = `${names.bufferOf(id)}[${flatOf(place, shape, this.define)}]`;
      return this.define(dtype === 'bool' ? `${element} != 0u` : element);
    }
    const key = `value ${id} ${placeKey(place)}`;
    let name = this.#known.get(key);
    if (name === undefined) {
      name = this.#compute(node, place);
      this.#known.set(key, name);
    }
    return name;
  }

  #compute(node: GraphNode, place: Place): string {
    const { op, shape, inputs } = node;
    const nodes = inputs.map((input) => this.#context.program.nodes[input]!);
    const first = nodes[0]!;
    const operand = (i: number) => this.value(inputs[i]!, this.#broadcast(place, shape, nodes[i]!));
    switch (op.kind) {
      case 'unary':
        return this.define(unary(op.fn, operand(0)));
      case 'binary':
        return this.define(binary(op.fn, operand(0), operand(1)));
      case 'compare':
        return this.define(compare(op.fn, operand(0), operand(1)));
      case 'where':
        return this.define(`select(${operand(2)}, ${operand(1)}, ${operand(0)})`);
      case 'cast':
        return this.define(cast(first.dtype, op.to, operand(0)));
      case 'broadcast':
        return operand(0);
      case 'reshape':
        return this.value(first.id, flatPlace(flatOf(place, shape, this.define)));
      case 'transpose': {
        const axes = axesOf(place, shape, this.define);
        const source = new Array<string>(axes.length);
        op.perm.forEach((axis, i) => {
          source[axis] = axes[i]!;
        });
        return this.value(first.id, axesPlace(source));
      }
      case 'slice': {
        const axes = axesOf(place, shape, this.define);
        const source = axes.map((axis, i) => {
          const start = op.starts[i]!;
          if (start === 0) return axis;
          return axis === '0u' ? `${start}u` : this.define(`${axis} + ${start}u`);
        });
        return this.value(first.id, axesPlace(source));
      }
      case 'pad':
        return this.#pad(node, first, place);
      case 'oneHot': {
        const axes = axesOf(place, shape, this.define);
        const label = this.value(first.id, axesPlace(axes.slice(0, -1)));
        return this.define(`select(0.0f, 1.0f, ${label} == i32(${axes.at(-1)!}))`);
      }
      default:
        throw new InternalError(`${op.kind} has no value that could be computed where it is read.`);
    }
  }

  #pad({ op, shape }: GraphNode, first: GraphNode, place: Place): string {
    if (op.kind !== 'pad') throw new InternalError('Not a pad.');
    const axes = axesOf(place, shape, this.define);
    const inside: string[] = [];
    const source = axes.map((axis, i) => {
      const [before, after, extent] = [op.before[i]!, op.after[i]!, first.shape[i]!];
      if (before === 0 && after === 0) return axis;
      // Below the start the difference wraps around to a large number, so one comparison sees both ends.
      const moved = before === 0 ? axis : this.define(`${axis} - ${before}u`);
      inside.push(`${moved} < ${extent}u`);
      return this.define(`min(${moved}, ${extent - 1}u)`);
    });
    const value = this.value(first.id, axesPlace(source));
    if (inside.length === 0) return value;
    return this.define(`select(${literal(0, first.dtype)}, ${value}, ${inside.join(' && ')})`);
  }

  /** The place in `operand` that an element of a result of `shape` is computed from, by NumPy's broadcasting. */
  #broadcast(place: Place, shape: readonly number[], operand: GraphNode): Place {
    const size = sizeOf(operand.shape);
    if (size === 1) return flatPlace('0u');
    if (size === sizeOf(shape)) return flatPlace(flatOf(place, shape, this.define));
    const axes = axesOf(place, shape, this.define);
    const offset = shape.length - operand.shape.length;
    return axesPlace(operand.shape.map((extent, axis) => (extent === 1 ? '0u' : axes[axis + offset]!)));
  }
}
