import type { DType, HostData, Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { WeightPlace } from '../engine/weight-file.js';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OnnxType,
  TensorProto,
  ValueInfoProto,
} from './onnx-schema.js';
import { attributeType, externalLocation, onnxType } from './onnx-schema.js';

/** An attribute of a node: an integer, a list of integers, a real number, or a graph. */
export type AttributeValue =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly graph: OnnxGraph };

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** `''` is ONNX itself, `com.microsoft` onnxruntime's own operators. */
  readonly domain?: '' | 'com.microsoft';
  /** Number of outputs; 1 by default. */
  readonly outputs?: number;
  /** Name of the first output; a fresh one by default. */
  readonly name?: string;
}

/**
 * Collects an ONNX graph. Values are names; equal nodes and equal small constants are stored once.
 */
export class OnnxGraph {
  #nodes: NodeProto[] = [];
  readonly #written = new Set<string>();
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #constants = new Map<string, string>();
  /** The outputs of a node by all that makes it what it is. */
  readonly #outputsOf = new Map<string, string[]>();
  readonly #prefix: string;
  #fresh = 0;

  /** @param prefix of all names made here; a graph inside another needs one of its own */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  input(name: string, dtype: DType, shape: Shape): string {
    this.#inputs.push(valueInfo(name, dtype, shape));
    return name;
  }

  /** Declares the value `name` as an output of the model. */
  output(name: string, dtype: DType, shape: Shape): void {
    this.#outputs.push(valueInfo(name, dtype, shape));
  }

  /** A value known when the session is made. `bytes` is not copied before the model is encoded. */
  initializer(name: string, type: OnnxType, shape: Shape, bytes: Uint8Array): string {
    this.#initializers.push({ name, dims: shape, dataType: onnxType[type], rawData: bytes });
    return name;
  }

  /** A value known when the session is made, which stands in a file. */
  externalInitializer(name: string, type: OnnxType, shape: Shape, place: WeightPlace): string {
    const { file: location, offset, length } = place;
    this.#initializers.push({
      name,
      dims: shape,
      dataType: onnxType[type],
      dataLocation: externalLocation,
      externalData: Object.entries({ location, offset, length }).map(([key, value]) => ({
        key,
        value: String(value),
      })),
    });
    return name;
  }

  /** A tensor constant of one of the suite's element types. */
  constant(dtype: DType, shape: Shape, data: HostData | readonly number[]): string {
    const typed = typedArrayOf(dtype, data);
    return this.#constant(dtype, shape, typed);
  }

  /** A scalar number as a constant `[]`. */
  scalar(value: number): string {
    return this.constant('f32', [], [value]);
  }

  /** A list of 64-bit integers, as shapes, axes and slice bounds are given. */
  integers(values: readonly number[]): string {
    return this.#constant('i64', [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Adds a node, unless there is an equal one, and returns the name of its first output. */
  node(opType: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return this.nodes(opType, inputs, options)[0]!;
  }

  /**
   * Adds a node, unless there is an equal one, and returns the names of all its outputs. A node with a name or a graph of
   * its own is always added.
   */
  nodes(opType: string, inputs: readonly string[], options: NodeOptions = {}): string[] {
    const { name, ...rest } = options;
    if (name !== undefined || Object.values(rest.attributes ?? {}).some((value) => 'graph' in value))
      return this.#add(opType, inputs, options);
    const key = JSON.stringify([opType, inputs, rest]);
    const known = this.#outputsOf.get(key) ?? this.#add(opType, inputs, options);
    this.#outputsOf.set(key, known);
    return known;
  }

  #add(opType: string, inputs: readonly string[], options: NodeOptions): string[] {
    const { attributes = {}, domain = '', outputs = 1, name = this.#name('t') } = options;
    const output = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}:${i}`));
    const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
    this.#nodes.push({ input: inputs, output, name, opType, domain, attribute });
    for (const value of output) this.#written.add(value);
    return output;
  }

  /** Whether a node of this graph makes the value `name`; inputs and constants are made by none. */
  writes(name: string): boolean {
    return this.#written.has(name);
  }

  /** Gives values that nodes of this graph make other names; graphs inside nodes still read the old ones. */
  rename(names: ReadonlyMap<string, string>): void {
    const renamed = (values: readonly string[]) => values.map((value) => names.get(value) ?? value);
    this.#nodes = this.#nodes.map((node) => ({
      ...node,
      input: renamed(node.input),
      output: renamed(node.output),
    }));
    for (const [from, to] of names) if (this.#written.delete(from)) this.#written.add(to);
  }

  graph(): GraphProto {
    return {
      name: `${this.#prefix}program`,
      node: this.#nodes,
      initializer: this.#initializers,
      input: this.#inputs,
      output: this.#outputs,
    };
  }

  model(): ModelProto {
    return {
      // IR version 10 belongs to opset 21, the newest that all operators here need.
      irVersion: 10,
      producerName: 'kora-bench',
      graph: this.graph(),
      opsetImport: [
        { domain: '', version: 21 },
        { domain: 'com.microsoft', version: 1 },
      ],
    };
  }

  #name(kind: string): string {
    return `${this.#prefix}${kind}${this.#fresh++}`;
  }

  #constant(type: OnnxType, shape: Shape, data: ArrayBufferView): string {
    const bytes = bytesOf(data);
    if (sizeOf(shape) > smallElements) return this.initializer(this.#name('c'), type, shape, bytes);
    const key = `${type}[${shape.join(',')}]${bytes.join(',')}`;
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = this.initializer(this.#name('c'), type, shape, bytes);
      this.#constants.set(key, name);
    }
    return name;
  }
}

/** Up to so many elements, equal constants are looked for. */
const smallElements = 2048;

/** The memory of a typed array as bytes, without a copy. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The storage that an element type has in ONNX; the same array where it is already that. */
export function typedArrayOf(
  dtype: DType,
  data: HostData | readonly number[],
): Float32Array | Int32Array | Uint8Array {
  switch (dtype) {
    case 'f32':
      return data instanceof Float32Array ? data : Float32Array.from(data);
    case 'i32':
      return data instanceof Int32Array ? data : Int32Array.from(data);
    case 'bool':
      return data instanceof Uint8Array ? data : Uint8Array.from(data);
  }
}

function valueInfo(name: string, dtype: DType, shape: Shape): ValueInfoProto {
  return {
    name,
    type: {
      tensorType: { elemType: onnxType[dtype], shape: { dim: shape.map((dimValue) => ({ dimValue })) } },
    },
  };
}

function attributeProto(name: string, value: AttributeValue): AttributeProto {
  if ('int' in value) return { name, type: attributeType.int, i: value.int };
  if ('graph' in value) return { name, type: attributeType.graph, g: value.graph.graph() };
  if ('ints' in value) return { name, type: attributeType.ints, ints: value.ints };
  return { name, type: attributeType.float, f: value.float };
}
