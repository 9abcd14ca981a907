import { BackendError, InputError, ShapeError } from '../errors/kora-error.js';
import type { GraphNode, NodeId, Program } from '../graph/graph.js';
import { formatShape, type Shape, sameShape } from '../graph/shape.js';
import type { ComputedNode, EagerPlan, Kernel, ValueStore } from '../passes/eager-plan.js';
import { isComputed, planEager, runEager } from '../passes/eager-plan.js';
import type { HostTensor, HostTensors, Weights } from '../tensor/host-tensor.js';
import type { DeviceState, Executable, RunOptions } from './backend.js';
import { checkWeights, type RunQueue, runCheck } from './runs.js';

/**
 * An engine that computes one op at a time, as soon as it is asked to. `Value` is its handle on a tensor. Whoever
 * is given a handle releases it exactly once; handles that share elements are released independently.
 */
export interface EagerEngine<Value> extends ValueStore<Value> {
  /** A new handle on a copy of `value`. */
  upload(value: HostTensor): Value;
  /** A copy of the elements, of the dtype and shape of `node`. The handle stays the caller's. */
  download(value: Value, node: GraphNode): HostTensor | Promise<HostTensor>;
  /**
   * The kernel of a node, asked for once when a program is compiled. It returns a new handle and keeps none of
   * its operands'. The value of an op that is a view (`rearranges: 'view'`) may share its operand's elements:
   * it is released before the operand is.
   * @param operands the nodes whose values the kernel is given
   * @throws BackendError naming the op, where the engine cannot compute it
   */
  kernel(node: ComputedNode, operands: readonly GraphNode[]): Kernel<Value>;
  /**
   * Resolves when the engine has done all of its work. Left out by engines that are done when a kernel
   * returns.
   * @throws BackendError when it failed meanwhile
   */
  finish?(): Promise<void>;
}

/** What an {@link EagerExecutable} is made of. */
export interface EagerCompilation<Value> {
  readonly engine: EagerEngine<Value>;
  /** Shared by all executables and states of a backend. */
  readonly queue: RunQueue;
  /** The program as the backend was given it; runs are checked against it. */
  readonly given: Program;
  /** The same program as the engine is to run it. */
  readonly prepared: Program;
  readonly weights: Weights;
}

/**
 * A program on an engine that computes op by op: kernels are looked up and frozen weights uploaded once, and
 * what depends on frozen weights alone is computed once. A run uploads its feeds, computes what is asked for in
 * the program's order and releases each value after its last use.
 */
export class EagerExecutable<Value> implements Executable {
  readonly #engine: EagerEngine<Value>;
  readonly #queue: RunQueue;
  readonly #program: Program;
  readonly #check: (options: RunOptions) => void;
  readonly #kernels: ReadonlyMap<NodeId, Kernel<Value>>;
  /** Frozen weights, constants, and what is made of these alone, as far as runs read it. */
  readonly #held: Map<NodeId, Value>;
  readonly #plans = new Map<string, EagerPlan>();
  #disposed = false;

  /**
   * @throws InputError when a frozen weight is missing or misshapen
   * @throws BackendError for an op that the engine cannot compute
   */
  constructor({ engine, queue, given, prepared, weights }: EagerCompilation<Value>) {
    checkWeights(given, weights);
    this.#engine = engine;
    this.#queue = queue;
    this.#program = prepared;
    this.#check = runCheck(given);
    this.#kernels = new Map(
      prepared.nodes.filter(isComputed).map((node) => [
        node.id,
        engine.kernel(
          node,
          node.inputs.map((id) => prepared.nodes[id]!),
        ),
      ]),
    );
    this.#held = this.#hold(weights);
  }

  run(options: RunOptions): Promise<Record<string, HostTensor>> {
    return this.#queue.run(() => this.#run(options));
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => {
      this.#disposed = true;
      for (const value of this.#held.values()) this.#engine.release(value);
      this.#held.clear();
    });
  }

  async #run(options: RunOptions): Promise<Record<string, HostTensor>> {
    if (this.#disposed)
      throw new BackendError('The program was disposed of.', { fix: 'Compile the program again to run it.' });
    this.#check(options);
    const state = this.#ownState(options.state);
    const fetch = [...new Set(options.fetch ?? [])];
    const updates = [...this.#program.updates.keys()];
    const engine = this.#engine;
    const values = runEager(this.#plan(fetch), {
      store: engine,
      given: ({ id, op }) => (op.kind === 'state' ? state?.current(op.name) : this.#held.get(id)),
      kernel: ({ id, op }) =>
        op.kind === 'feed' ? () => engine.upload(options.feeds[op.name]!) : this.#kernels.get(id)!,
    });
    let left = values;
    try {
      const fetched = await Promise.all(fetch.map((name, i) => this.#download(name, values[i]!)));
      await engine.finish?.();
      state?.replace(new Map(updates.map((name, i) => [name, values[fetch.length + i]!])));
      left = values.slice(0, fetch.length);
      return Object.fromEntries(fetch.map((name, i) => [name, fetched[i]!]));
    } finally {
      for (const value of left) engine.release(value);
    }
  }

  async #download(output: string, value: Value): Promise<HostTensor> {
    return this.#engine.download(value, this.#program.nodes[this.#program.outputs.get(output)!]!);
  }

  #plan(fetch: readonly string[]): EagerPlan {
    const key = JSON.stringify(fetch);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const { outputs, updates } = this.#program;
    const roots = [...fetch.map((name) => outputs.get(name)!), ...updates.values()];
    const plan = planEager(this.#program, roots, ({ id, op }) => op.kind === 'state' || this.#held.has(id));
    this.#plans.set(key, plan);
    return plan;
  }

  #hold(weights: Weights): Map<NodeId, Value> {
    const wanted = heldNodes(this.#program);
    const engine = this.#engine;
    const upload = ({ op, dtype, shape }: GraphNode) => {
      if (op.kind === 'frozen') return engine.upload(weights.get(op.name)!);
      return op.kind === 'constant' ? engine.upload({ dtype, shape, data: op.data }) : undefined;
    };
    const values = runEager(
      planEager(this.#program, wanted, () => false),
      {
        store: engine,
        given: () => undefined,
        kernel: (node) => this.#kernels.get(node.id) ?? (() => upload(node)!),
      },
    );
    return new Map(wanted.map((id, i) => [id, values[i]!]));
  }

  #ownState(state: DeviceState | undefined): EagerState<Value> | undefined {
    if (state === undefined) return undefined;
    if (!(state instanceof EagerState) || !state.belongsTo(this.#engine)) {
      throw new InputError('The state was made by another backend.', {
        expected: 'a state from createState of this backend',
        received: state.constructor.name,
        where: 'state',
      });
    }
    const own = state as EagerState<Value>;
    const { nodes, updates } = this.#program;
    for (const { op, shape } of nodes) if (op.kind === 'state') own.requireState(op.name, shape);
    for (const [name, id] of updates) own.requireState(name, nodes[id]!.shape);
    return own;
  }
}

/**
 * The values that are made of frozen weights and constants alone and that something else reads, or an output or
 * update returns.
 */
function heldNodes({ nodes, outputs, updates }: Program): NodeId[] {
  const constant = new Uint8Array(nodes.length);
  const read = new Set<NodeId>([...outputs.values(), ...updates.values()]);
  for (const { id, op, inputs } of nodes) {
    const source = op.kind === 'feed' || op.kind === 'state';
    if (!source && inputs.every((input) => constant[input] === 1)) constant[id] = 1;
    else for (const input of inputs) read.add(input);
  }
  return [...read].filter((id) => constant[id] === 1).sort((a, b) => a - b);
}

/** State on an eager engine. Values are replaced whole, never written into. */
export class EagerState<Value> implements DeviceState {
  readonly #engine: EagerEngine<Value>;
  readonly #queue: RunQueue;
  readonly #values = new Map<string, { readonly node: GraphNode; readonly value: Value }>();

  constructor(engine: EagerEngine<Value>, queue: RunQueue, values: HostTensors) {
    this.#engine = engine;
    this.#queue = queue;
    for (const [name, value] of Object.entries(values)) {
      const op = { kind: 'state', name } as const;
      const node: GraphNode = { id: 0, op, inputs: [], shape: value.shape, dtype: value.dtype, scope: '' };
      this.#values.set(name, { node, value: engine.upload(value) });
    }
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  read(name: string): Promise<HostTensor> {
    return this.#queue.run(() => {
      const { node, value } = this.#get(name);
      return this.#engine.download(value, node);
    });
  }

  write(name: string, value: HostTensor): Promise<void> {
    return this.#queue.run(() => {
      const { shape } = this.#get(name).node;
      if (!sameShape(shape, value.shape)) {
        throw new ShapeError(`The new value of state "${name}" does not fit.`, {
          expected: formatShape(shape),
          received: formatShape(value.shape),
          where: `state "${name}"`,
        });
      }
      this.replace(new Map([[name, this.#engine.upload(value)]]));
    });
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => {
      for (const { value } of this.#values.values()) this.#engine.release(value);
      this.#values.clear();
    });
  }

  belongsTo(engine: unknown): boolean {
    return engine === this.#engine;
  }

  /** The handle of the current value; it stays the state's. */
  current(name: string): Value {
    return this.#get(name).value;
  }

  /** @throws InputError unless the state has a value `name` of `shape` */
  requireState(name: string, shape: Shape): void {
    const held = this.#get(name).node.shape;
    if (sameShape(held, shape)) return;
    throw new InputError(`The state "${name}" does not fit the program.`, {
      expected: formatShape(shape),
      received: formatShape(held),
      where: `state "${name}"`,
      fix: 'Create the state with the values that this program was traced for.',
    });
  }

  /** Replaces values by others of the same shapes, whose handles become the state's. */
  replace(values: ReadonlyMap<string, Value>): void {
    for (const [name, value] of values) {
      const { node, value: old } = this.#get(name);
      this.#values.set(name, { node, value });
      this.#engine.release(old);
    }
  }

  #get(name: string): { readonly node: GraphNode; readonly value: Value } {
    const found = this.#values.get(name);
    if (found !== undefined) return found;
    throw new InputError(`There is no state named "${name}".`, {
      expected: this.#values.size === 0 ? 'no state' : `one of ${this.names.join(', ')}`,
      received: name,
      where: `state "${name}"`,
    });
  }
}
