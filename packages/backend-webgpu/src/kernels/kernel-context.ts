import { InternalError } from '@kora-bench/core/errors';
import type { NodeId, Program } from '@kora-bench/core/graph';
import { sizeOf, stridesOf } from '@kora-bench/core/graph';
import type { Destination, Kernel, KernelOutput, KernelPlan } from '../plan/kernel.js';
import type { ElementIndex, Width } from '../wgsl/element-index.js';
import { flatIndex } from '../wgsl/element-index.js';
import type { KernelNames } from '../wgsl/kernel-code.js';
import type { Storage } from '../wgsl/numbers.js';
import { storedType } from '../wgsl/numbers.js';
import { ValueWriter } from '../wgsl/value-writer.js';
import type { KernelTarget } from './kernel-target.js';

/** The body of `main` and what it needs around it. */
export interface KernelBody {
  /** Variables and functions of the module. */
  readonly declarations: string;
  /**
   * Groups of four numbers that it needs in the memory of a workgroup, as `staged: array<vec4f>`. Kernels of
   * one dispatch have them at the same offset, for a workgroup belongs to one of them.
   */
  readonly staged?: number;
  /** See `WrittenKernel`: it has names or memory of a workgroup that are not shared. */
  readonly alone?: boolean;
  readonly body: string;
  readonly workgroupSize: number;
  readonly workgroups: readonly [number, number, number];
}

/** What the writer of one kernel's body is given. */
export interface KernelContext {
  readonly program: Program;
  readonly target: KernelTarget;
  readonly names: KernelNames;
  /** See `KernelPlan`. */
  readonly backward: ReadonlySet<NodeId>;
  /** A name at module level that other kernels of the same dispatch do not use. */
  scoped(name: string): string;
  /** A writer for one block of the kernel. */
  writer(given?: (id: NodeId, index: ElementIndex) => string | undefined): ValueWriter;
  /** Statements that store what becomes of an anchor's value `given` at the elements from `flat` on. */
  store(anchor: NodeId, flat: string, given: string, width: Width): string;
  /**
   * Statements that compute and store, at the elements from `flat` on, what depends on no anchor: all of a kernel
   * without any. What is written from then on may read these elements, always as many at once.
   */
  storeFirst(flat: string, width: Width): string;
}

/** What the kernels of one dispatch share. */
export interface DispatchContext {
  readonly program: Program;
  /** That the kernels are of. */
  readonly plan: KernelPlan;
  readonly target: KernelTarget;
  readonly names: KernelNames;
  readonly outputs: KernelOutputs;
}

/**
 * The context of one kernel of a dispatch.
 * @param suffix of its names at module level
 */
export function contextOf(
  { program, plan, target, names, outputs }: DispatchContext,
  kernel: Kernel,
  suffix: string,
): KernelContext {
  const { stored, backward, storageOf } = plan;
  const own = new Set(
    kernel.outputs.flatMap(({ root, destination }) => (destination.buffer === root ? [root] : [])),
  );
  // A kernel computes its own results, which all others read from their buffers.
  const others = new Set([...stored].filter((id) => !own.has(id)));
  const context: KernelContext = {
    program,
    target,
    names,
    backward,
    scoped: (name) => `${name}${suffix}`,
    writer: (given) =>
      new ValueWriter({
        program,
        stored: others,
        names,
        storageOf,
        quads: target.quads,
        ...(given && { given }),
      }),
    store: (anchor, flat, given, width) =>
      kernel.outputs
        .filter((output) => output.anchor === anchor)
        .map((output) => {
          const writer = context.writer((id) => (id === anchor ? given : undefined));
          return outputs.store(output, writer, flat, width);
        })
        .join('\n'),
    storeFirst(flat, width) {
      const first = kernel.outputs.filter(({ anchor }) => anchor === undefined);
      const writer = context.writer();
      const lines = first.map((output) => outputs.store(output, writer, flat, width));
      for (const { root } of first) {
        others.add(root);
        names.readBack(root, outputs.nameOf(root));
      }
      return lines.join('\n');
    },
  };
  return context;
}

/** The buffers that a kernel writes, `out0`, `out1`, … */
export class KernelOutputs {
  readonly #program: Program;
  readonly #outputs: readonly KernelOutput[];
  readonly #names: KernelNames;
  readonly #storageOf: (id: NodeId) => Storage;
  /** How many elements a buffer is written at a time, once that is known. */
  readonly #widths: Width[] = [];
  /** In the order of their bindings; several outputs can be parts of one. */
  readonly buffers: readonly NodeId[];

  constructor(
    program: Program,
    outputs: readonly KernelOutput[],
    names: KernelNames,
    storageOf: (id: NodeId) => Storage,
  ) {
    this.#program = program;
    this.#outputs = outputs;
    this.buffers = [...new Set(outputs.map(({ destination }) => destination.buffer))];
    this.#names = names;
    this.#storageOf = storageOf;
  }

  /** The name of the buffer of a value that has one of its own. */
  nameOf(id: NodeId): string {
    return `out${this.buffers.indexOf(id)}`;
  }

  /** Their declarations, the first bindings of the kernel. */
  get declarations(): readonly string[] {
    return this.buffers.map((buffer, i) => {
      const type = storedType(this.#storageOf(buffer), this.#widths[i] ?? 1);
      return `@group(0) @binding(${i}) var<storage, read_write> out${i}: array<${type}>;`;
    });
  }

  /** Statements that compute and store the elements from `flat` on of one output; takes the writer's lines along. */
  store(output: KernelOutput, writer: ValueWriter, flat: string, width: Width): string {
    const { root, destination } = output;
    const index = this.buffers.indexOf(destination.buffer);
    const value = this.#asStored(output, writer.value(root, flatIndex(flat, width)), width);
    const lines = writer.lines.splice(0);
    const stored = width === 4 && this.#isAlone(output) && keepsQuads(destination) ? 4 : 1;
    if ((this.#widths[index] ?? stored) !== stored) throw new InternalError('A kernel stores in two widths.');
    this.#widths[index] = stored;
    const { strides, offset } = destination;
    const start = strides.length === 1 && offset === 0 ? undefined : this.#names.offset(offset);
    const target = (at: string) => elementAt(destination, at, start);
    if (width === 1) return [...lines, `out${index}[${target(flat)}] = ${value};`].join('\n');
    if (stored === 4) return [...lines, `out${index}[(${target(flat)}) / 4u] = ${value};`].join('\n');
    const whole = writer.define(value);
    const each = [0, 1, 2, 3].map((i) => `out${index}[${target(`(${flat} + ${i}u)`)}] = ${whole}[${i}];`);
    return [...lines, ...writer.lines.splice(0), ...each].join('\n');
  }

  /** Whether no other output goes into the same buffer, which would have to be written in the same width. */
  #isAlone({ destination }: KernelOutput): boolean {
    return this.#outputs.filter((other) => other.destination.buffer === destination.buffer).length === 1;
  }

  #asStored({ root, destination }: KernelOutput, value: string, width: Width): string {
    const storage = this.#storageOf(destination.buffer);
    const type = storedType(storage, width);
    if (storage === 'f16') return `${type}(${value})`;
    return this.#program.nodes[root]!.dtype === 'bool' ? `select(${type}(0u), ${type}(1u), ${value})` : value;
  }
}

/** Whether four neighbours whose first has a number divisible by four stay that way. */
function keepsQuads({ strides, offset, shape }: Destination): boolean {
  const steps = [offset, ...strides.slice(0, -1), shape.at(-1)!];
  return strides.at(-1) === 1 && steps.every((n) => n % 4 === 0);
}

/** The index in the buffer of element number `flat`; `start` names its offset where it has one. */
function elementAt({ shape, strides }: Destination, flat: string, start: string | undefined): string {
  const extents = stridesOf(shape);
  const terms = shape.flatMap((extent, axis) => {
    if (extent === 1) return [];
    const steps = extents[axis] === 1 ? flat : `${flat} / ${extents[axis]}u`;
    const outermost = extents[axis]! * extent === sizeOf(shape);
    const coordinate = outermost ? steps : `${steps} % ${extent}u`;
    return [strides[axis] === 1 ? coordinate : `(${coordinate}) * ${strides[axis]}u`];
  });
  return [...terms, ...(start === undefined ? [] : [start])].join(' + ') || '0u';
}
