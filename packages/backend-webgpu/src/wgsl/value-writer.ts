import { InternalError } from '@kora-bench/core/errors';
import type { CompositeOp, GraphNode, NodeId, Op, Program, Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { ElementIndex, Width } from './element-index.js';
import {
  axesIndex,
  axesOf,
  broadcastAxes,
  elementsOf,
  flatIndex,
  flatOf,
  hasQuads,
  indexKey,
} from './element-index.js';
import type { KernelNames } from './kernel-code.js';
import type { Storage } from './numbers.js';
import { binary, cast, compare, computedType, literal, preludeName, unary } from './numbers.js';
import { range } from './range.js';

/** What a writer knows of the kernel around it. */
export interface ValueWriterContext {
  readonly program: Program;
  /** Values that are in a buffer of their own; all others are computed where they are read. */
  readonly stored: ReadonlySet<NodeId>;
  readonly names: KernelNames;
  storageOf(id: NodeId): Storage;
  /** Whether buffers may be read four elements at a time. */
  readonly quads: boolean;
  /** A value that the kernel has in a register already, at the elements that it works on. */
  readonly given?: (id: NodeId, index: ElementIndex) => string | undefined;
}

/**
 * Writes WGSL statements that compute elements of values, one or four at a time. Views (reshape, transpose,
 * slice, …) only change which element is read; elementwise ops, and products of few terms, are computed in
 * registers. One writer serves one WGSL block.
 */
export class ValueWriter {
  readonly lines: string[];
  readonly #context: ValueWriterContext;
  readonly #expressions: Map<string, string>;
  readonly #values = new Map<string, string>();

  /** @param outer writes the same block, for another program */
  constructor(context: ValueWriterContext, outer?: ValueWriter) {
    this.#context = context;
    this.lines = outer?.lines ?? [];
    this.#expressions = outer === undefined ? new Map() : outer.#expressions;
  }

  readonly define = (expression: string): string => {
    const known = this.#expressions.get(expression);
    if (known !== undefined) return known;
    const name = this.#context.names.fresh();
    this.lines.push(`let ${name} = ${expression};`);
    this.#expressions.set(expression, name);
    return name;
  };

  /** The name of the element of `id` at `index`, or of the vector of four elements from there on. */
  value(id: NodeId, index: ElementIndex): string {
    const { program, stored, given } = this.#context;
    const own = given?.(id, index);
    if (own !== undefined) return own;
    const node = program.nodes[id]!;
    const { op, dtype } = node;
    if (op.kind === 'constant' && sizeOf(node.shape) === 1) {
      const scalar = literal(op.data[0]!, dtype);
      return index.width === 1 ? scalar : `${computedType(dtype, 4)}(${scalar})`;
    }
    const key = `${id} ${indexKey(index)}`;
    let name = this.#values.get(key);
    if (name === undefined) {
      if (index.width === 4 && !this.#readsTogether(node, index)) name = this.#oneByOne(node, index);
      else name = stored.has(id) ? this.#load(node, index) : this.#compute(node, index);
      this.#values.set(key, name);
    }
    return name;
  }

  /** The same number in all elements of a vector of `width`. */
  spread(scalar: string, dtype: GraphNode['dtype'], width: Width): string {
    return width === 1 ? scalar : this.define(`${computedType(dtype, 4)}(${scalar})`);
  }

  #load({ id, shape, dtype }: GraphNode, index: ElementIndex): string {
    const flat = flatOf(index, shape, this.define);
    const buffer = this.#context.names.bufferOf(id, index.width);
    const element = `${buffer}[${index.width === 1 ? flat : this.define(`${flat} / 4u`)}]`;
    const none = index.width === 1 ? '0u' : 'vec4u(0u)';
    if (dtype === 'bool') return this.define(`${element} != ${none}`);
    const short = this.#context.storageOf(id) === 'f16';
    return this.define(short ? `${computedType('f32', index.width)}(${element})` : element);
  }

  #oneByOne(node: GraphNode, index: ElementIndex): string {
    const elements = elementsOf(index, this.define).map((one) => this.value(node.id, one));
    return this.define(`${computedType(node.dtype, 4)}(${elements.join(', ')})`);
  }

  /** Whether four elements of `node` come from four side by side, or from one, of each operand. */
  #readsTogether({ id, op, shape, inputs }: GraphNode, index: ElementIndex): boolean {
    const { program, stored, quads } = this.#context;
    if (stored.has(id)) return quads;
    const rows = index.kind === 'axes' || hasQuads(shape);
    const operand = (i: number): Shape => program.nodes[inputs[i]!]!.shape;
    switch (op.kind) {
      case 'reshape':
        return true;
      case 'transpose':
        return rows && op.perm.at(-1) === op.perm.length - 1;
      case 'slice':
        return rows && op.starts.at(-1)! % 4 === 0 && hasQuads(operand(0));
      case 'pad':
        return rows && op.before.at(-1)! % 4 === 0 && hasQuads(operand(0));
      case 'oneHot':
        return rows;
      case 'matmul':
        return rows && (op.transposeB || hasQuads(operand(1)));
      case 'unary':
      case 'binary':
      case 'compare':
      case 'where':
      case 'cast':
      case 'broadcast':
      case 'gelu':
      case 'geluGrad':
        return rows || inputs.every((_, i) => [1, sizeOf(shape)].includes(sizeOf(operand(i))));
      case 'feed':
      case 'frozen':
      case 'state':
      case 'constant':
      case 'reduce':
      case 'concat':
        return notComputedHere(op);
      // A composite that is not above has a kernel or is lowered; a primitive must be one of those above.
      default:
        return notComputedHere(op satisfies CompositeOp);
    }
  }

  #compute(node: GraphNode, index: ElementIndex): string {
    const { op, shape, inputs } = node;
    const { width } = index;
    const nodes = inputs.map((input) => this.#context.program.nodes[input]!);
    const first = nodes[0]!;
    const operand = (i: number) => {
      const source = this.#broadcast(index, shape, nodes[i]!);
      const value = this.value(inputs[i]!, source);
      return source.width === width ? value : this.spread(value, nodes[i]!.dtype, width);
    };
    switch (op.kind) {
      case 'unary':
        return this.define(unary(op.fn, operand(0), width));
      case 'binary':
        return this.define(binary(op.fn, operand(0), operand(1), width));
      case 'compare':
        return this.define(compare(op.fn, operand(0), operand(1)));
      case 'where':
        return this.define(`select(${operand(2)}, ${operand(1)}, ${operand(0)})`);
      case 'cast':
        return this.define(cast(first.dtype, op.to, operand(0), width));
      case 'gelu':
        return this.define(`${preludeName('gelu_of', width)}(${operand(0)})`);
      case 'geluGrad':
        return this.define(`${preludeName('gelu_grad_of', width)}(${operand(0)}, ${operand(1)})`);
      case 'broadcast':
        return operand(0);
      case 'reshape':
        return this.value(first.id, flatIndex(flatOf(index, shape, this.define), width));
      case 'transpose': {
        const axes = axesOf(index, shape, this.define);
        const source = new Array<string>(axes.length);
        op.perm.forEach((axis, i) => {
          source[axis] = axes[i]!;
        });
        return this.value(first.id, axesIndex(source, width));
      }
      case 'slice': {
        const axes = axesOf(index, shape, this.define);
        const source = axes.map((axis, i) => {
          const start = op.starts[i]!;
          const outermost = first.shape.slice(0, i).every((extent) => extent === 1);
          if (outermost && shape[i] !== first.shape[i])
            return this.define(`${axis} + ${this.#offset(first.id, start)}`);
          if (start === 0) return axis;
          return axis === '0u' ? `${start}u` : this.define(`${axis} + ${start}u`);
        });
        return this.value(first.id, axesIndex(source, width));
      }
      case 'pad':
        return this.#pad(node, first, index);
      case 'oneHot': {
        const axes = axesOf(index, shape, this.define);
        const label = this.value(first.id, axesIndex(axes.slice(0, -1)));
        const column = axes.at(-1)!;
        if (width === 1) return this.define(`select(0.0f, 1.0f, ${label} == i32(${column}))`);
        const columns = `vec4i(i32(${column})) + vec4i(0, 1, 2, 3)`;
        return this.define(`select(vec4f(0.0f), vec4f(1.0f), vec4i(${label}) == ${columns})`);
      }
      case 'matmul':
        return this.#product(node, index);
      case 'feed':
      case 'frozen':
      case 'state':
      case 'constant':
      case 'reduce':
      case 'concat':
        return notComputedHere(op);
      // A composite that is not above has a kernel or is lowered; a primitive must be one of those above.
      default:
        return notComputedHere(op satisfies CompositeOp);
    }
  }

  /** Where a part of a vector starts: the same name for all readings of it in a block. */
  #offset(vector: NodeId, start: number): string {
    const key = `${vector} from ${start}`;
    let name = this.#values.get(key);
    if (name === undefined) {
      name = this.define(this.#context.names.offset(start));
      this.#values.set(key, name);
    }
    return name;
  }

  /** An element of a product of few terms, or four of a row. */
  #product({ op, shape, inputs }: GraphNode, index: ElementIndex): string {
    if (op.kind !== 'matmul') throw new InternalError('Not a matrix product.');
    const { width } = index;
    const [left, right] = inputs.map((input) => this.#context.program.nodes[input]!);
    const axes = axesOf(index, shape, this.define);
    const [row, first] = [axes.at(-2)!, axes.at(-1)!];
    const count = left!.shape.at(op.transposeA ? -2 : -1)!;
    const inQuads = count % 4 === 0 && !op.transposeA;
    const at = (operand: GraphNode, matrix: readonly [string, string], of: Width) => {
      const entry = broadcastAxes(operand.shape.slice(0, -2), shape.slice(0, -2), axes);
      return this.value(operand.id, axesIndex([...entry, ...matrix], of));
    };
    const factor = (k: number) => {
      if (inQuads) return `${at(left!, [row, `${k - (k % 4)}u`], 4)}[${k % 4}]`;
      return at(left!, op.transposeA ? [`${k}u`, row] : [row, `${k}u`], 1);
    };
    if (!op.transposeB) {
      const spread = (scalar: string) => (width === 1 ? scalar : `vec4f(${scalar})`);
      return range(count).reduce(
        (sum, k) => this.define(`fma(${spread(factor(k))}, ${at(right!, [`${k}u`, first], width)}, ${sum})`),
        this.spread('0.0f', 'f32', width),
      );
    }
    const element = (column: string) => {
      const terms = inQuads
        ? range(count / 4).map((i) => {
            const [a, b] = [at(left!, [row, `${4 * i}u`], 4), at(right!, [column, `${4 * i}u`], 4)];
            return `dot(${a}, ${b})`;
          })
        : range(count).map((k) => `${factor(k)} * ${at(right!, [column, `${k}u`], 1)}`);
      return this.define(terms.join(' + '));
    };
    const elements = range(width).map((i) => element(i === 0 ? first : this.define(`${first} + ${i}u`)));
    return width === 1 ? elements[0]! : this.define(`vec4f(${elements.join(', ')})`);
  }

  #pad({ op, shape }: GraphNode, first: GraphNode, index: ElementIndex): string {
    if (op.kind !== 'pad') throw new InternalError('Not a pad.');
    const { width } = index;
    const axes = axesOf(index, shape, this.define);
    const inside: string[] = [];
    const source = axes.map((axis, i) => {
      const [before, after, extent] = [op.before[i]!, op.after[i]!, first.shape[i]!];
      if (before === 0 && after === 0) return axis;
      // Below the start the difference wraps around to a large number, so one comparison sees both ends.
      const moved = before === 0 ? axis : this.define(`${axis} - ${before}u`);
      inside.push(`${moved} < ${extent}u`);
      const last = i === axes.length - 1 ? extent - width : extent - 1;
      return this.define(`min(${moved}, ${last}u)`);
    });
    const value = this.value(first.id, axesIndex(source, width));
    if (inside.length === 0) return value;
    const nothing = this.spread(literal(0, first.dtype), first.dtype, width);
    return this.define(`select(${nothing}, ${value}, ${inside.join(' && ')})`);
  }

  /**
   * The index in `operand` that an element of a result of `shape` is computed from, by NumPy's
   * broadcasting; of width 1 where four elements of the result need the same one.
   */
  #broadcast(index: ElementIndex, shape: Shape, operand: GraphNode): ElementIndex {
    const size = sizeOf(operand.shape);
    if (size === 1) return flatIndex('0u');
    if (size === sizeOf(shape)) return flatIndex(flatOf(index, shape, this.define), index.width);
    const axes = axesOf(index, shape, this.define);
    return axesIndex(broadcastAxes(operand.shape, shape, axes), operand.shape.at(-1) === 1 ? 1 : index.width);
  }
}

function notComputedHere({ kind }: Op): never {
  throw new InternalError(`${kind} has no value that could be computed where it is read.`);
}
