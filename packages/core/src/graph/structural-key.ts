import type { Graph, NodeId } from './graph.js';
import type { Op, OpOf } from './op.js';

/**
 * A string that is equal for equal ops on equal inputs of one graph. It is equal for no others, constants
 * excepted: of their data it holds a fingerprint, so whoever finds one by its key must compare the data.
 */
export function structuralKey(op: Op, inputs: readonly NodeId[]): string {
  return `${describeOp(op)}(${inputs.join(',')})`;
}

/** Whether two ops with one structural key are equal. */
export function sameOp(a: Op, b: Op): boolean {
  if (a.kind !== 'constant' || b.kind !== 'constant') return a.kind === b.kind;
  return a.data.length === b.data.length && a.data.every((value, i) => Object.is(value, b.data[i]));
}

/** Ops are never changed, and passes hand the same objects on from graph to graph. */
const described = new WeakMap<Op, string>();

/** The op and all its attributes as text, stable across runs; of a constant's data a fingerprint. */
export function describeOp(op: Op): string {
  const known = described.get(op);
  if (known !== undefined) return known;
  const text = describe(op);
  described.set(op, text);
  return text;
}

function describe(op: Op): string {
  if (op.kind === 'constant') return `${constantType(op)}:${fingerprint(op.data)}`;
  const { kind, ...attributes } = op;
  const text = Object.entries(attributes)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(';');
  return `${kind}:${text}`;
}

function constantType(op: OpOf<'constant'>): string {
  return `constant:${op.data.constructor.name}:${op.shape}`;
}

function fingerprint({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  const hash = new TextHash();
  for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) hash.addCode(byte);
  return hash.digits();
}

/**
 * A hash of each node's whole expression, down to the names of its feeds and weights: equal expressions
 * in different graphs have equal hashes. 26 hexadecimal digits; not meant to resist an attacker. Kept values
 * are stored under such hashes, so what goes into them must not change.
 */
export function structuralHashes(graph: Graph): ReadonlyMap<NodeId, string> {
  const hashes = new Map<NodeId, string>();
  for (const { id, op, dtype, shape, inputs } of graph.nodes) {
    const hash = new TextHash();
    if (op.kind === 'constant') addConstant(hash, op);
    else hash.add(describeOp(op));
    hash.add(`|${dtype}|${shape}|${inputs.map((input) => hashes.get(input)!).join(',')}`);
    hashes.set(id, hash.digits());
  }
  return hashes;
}

function addConstant(hash: TextHash, op: OpOf<'constant'>): void {
  hash.add(`${constantType(op)}:`);
  op.data.forEach((value, i) => {
    hash.add(i === 0 ? String(value) : `,${value}`);
  });
}

/** Two 52-bit hashes by multiply-xor with different seeds, as hexadecimal digits. */
export function hashText(text: string): string {
  const hash = new TextHash();
  hash.add(text);
  return hash.digits();
}

const seeds = [0x9e3779b1, 0x85ebca6b] as const;

/** The hash of `hashText`, of a text that is given piece by piece. */
class TextHash {
  readonly #high = seeds.map((seed) => 0xdeadbeef ^ seed);
  readonly #low = seeds.map((seed) => 0x41c6ce57 ^ seed);

  add(text: string): void {
    for (let i = 0; i < text.length; i++) this.addCode(text.charCodeAt(i));
  }

  addCode(code: number): void {
    for (let i = 0; i < seeds.length; i++) {
      this.#high[i] = Math.imul(this.#high[i]! ^ code, 0x9e3779b1);
      this.#low[i] = Math.imul(this.#low[i]! ^ code, 0x5f356495);
    }
  }

  digits(): string {
    return seeds.map((_, i) => finish(this.#high[i]!, this.#low[i]!).toString(16).padStart(13, '0')).join('');
  }
}

function finish(h: number, l: number): number {
  const high = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ Math.imul(l ^ (l >>> 13), 0xc2b2ae35);
  const low = Math.imul(l ^ (l >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return (low >>> 0) * 2 ** 20 + ((high >>> 0) & 0xfffff);
}
