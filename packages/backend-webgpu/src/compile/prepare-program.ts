import type { NodeId, Program, Tensor } from '@kora-bench/core/graph';
import { countUses, sameShape, sizeOf } from '@kora-bench/core/graph';
import { add, definitionOf, matmul, max, pad, reshape, sum } from '@kora-bench/core/ops';
import { inputsOf, lowerComposites, nodeOf, rewriteProgram, simplify } from '@kora-bench/core/passes';
import { hasAttentionKernels } from '../kernels/attention-operands.js';
import { isAttention, nativeComposites } from '../plan/op-roles.js';
import type { Readings } from '../plan/readings.js';
import { readingsOf, rowReaderOf, updateBehind } from '../plan/readings.js';

/** Lowers what has no kernels. Parts of the batch are cut from the result. */
export function lowerProgram(given: Program): Program {
  const lowered = lowerComposites(lowerWideAttention(rewriteProgram(given, simplify)), nativeComposites);
  return rewriteProgram(lowered, simplify);
}

/**
 * Rewrites a lowered program, or one for a part of the batch, so that its sums suit the kernels: products that are
 * added up come together, updates in front of row composites come last, and long sums fall into parts.
 */
export function arrangeProgram(lowered: Program): Program {
  return rewriteProgram(splitLongSums(deferUpdates(gatherProducts(lowered))), simplify);
}

/** Lowers attention over vectors that are too long for the registers of a lane. */
function lowerWideAttention(program: Program): Program {
  return rewriteProgram(program, ({ op }, inputs) => {
    if (!isAttention(op)) return undefined;
    const [d, e] = [inputs[0]!.shape.at(-1)!, (inputs[2] ?? inputs[1]!).shape.at(-1)!];
    return hasAttentionKernels({ d, e }) ? undefined : definitionOf(op).lower!(op, inputs);
  });
}

/**
 * (x·W + bias) + u·B → (x·W + u·B) + bias: brings the products of a frozen layer and of its low-rank update
 * next to each other, so that one kernel can add them up.
 */
function gatherProducts(program: Program): Program {
  const uses = countUses(program);
  const readHere = (id: number): boolean => {
    const { op, inputs } = program.nodes[id]!;
    return uses[id] === 1 && (op.kind !== 'reshape' || readHere(inputs[0]!));
  };
  return rewriteProgram(program, (node, [left, right]) => {
    if (node.op.kind !== 'binary' || node.op.fn !== 'add' || !node.inputs.every(readHere)) return undefined;
    return gather(left!, right!, node.shape) ?? gather(right!, left!, node.shape);
  });
}

function gather(biased: Tensor, update: Tensor, shape: readonly number[]): Tensor | undefined {
  const sum = throughReshapes(biased);
  const { op } = nodeOf(sum);
  if (op.kind !== 'binary' || op.fn !== 'add' || !isProduct(update)) return undefined;
  const [x, y] = inputsOf(sum);
  const [product, bias] = isProduct(x!) ? [x!, y!] : [y!, x!];
  if (!isProduct(product) || sizeOf(bias.shape) >= sizeOf(sum.shape)) return undefined;
  if (!sameShape(product.shape, sum.shape) || sizeOf(update.shape) !== sizeOf(sum.shape)) return undefined;
  return reshape(add(add(product, reshape(throughReshapes(update), sum.shape)), bias), shape);
}

/** Whether a tensor is a matrix product or a sum of some. */
function isProduct(tensor: Tensor): boolean {
  const source = throughReshapes(tensor);
  const { op } = nodeOf(source);
  if (op.kind === 'matmul') return true;
  return op.kind === 'binary' && op.fn === 'add' && inputsOf(source).every(isProduct);
}

function throughReshapes(tensor: Tensor): Tensor {
  let source = tensor;
  while (nodeOf(source).op.kind === 'reshape') source = inputsOf(source)[0]!;
  return source;
}

/**
 * (x·W + u·B) + residual → (x·W + residual) + u·B, in front of a row composite: its kernel adds the update to
 * the rows that it reads, so that x·W and u = x·A need not wait for each other.
 */
function deferUpdates(program: Program): Program {
  const readings = readingsOf(program);
  /** By the sum that an update is taken from, the operand that remains, and where it goes. */
  const moves = new Map<NodeId, { readonly rest: 0 | 1; readonly end: NodeId }>();
  const ends = new Set<NodeId>();
  for (const { id, op, inputs, shape } of readings.nodes) {
    if (op.kind !== 'binary' || op.fn !== 'add') continue;
    const isUpdate = inputs.map((input) => updateBehind(readings, input, sizeOf(shape)) !== undefined);
    const end = endOfSum(readings, id);
    if (isUpdate[0] === isUpdate[1] || ends.has(end) || end === id) continue;
    if (rowReaderOf(readings, end) === undefined) continue;
    moves.set(id, { rest: isUpdate[1] ? 0 : 1, end });
    ends.add(end);
  }
  const updates = new Map<NodeId, Tensor>();
  return rewriteProgram(program, (node, inputs) => {
    const move = moves.get(node.id);
    if (move !== undefined && sizeOf(inputs[move.rest]!.shape) === sizeOf(node.shape)) {
      updates.set(move.end, inputs[1 - move.rest]!);
      return reshape(inputs[move.rest]!, node.shape);
    }
    const update = updates.get(node.id);
    return update && add(add(inputs[0]!, inputs[1]!), reshape(update, node.shape));
  });
}

/** The last of the sums that a value is only a part of. */
function endOfSum({ nodes, uses, readers }: Readings, id: NodeId): NodeId {
  let end = id;
  for (let at = id; uses[at] === 1 && readers[at]!.length === 1; ) {
    const { id: next, op, shape } = nodes[readers[at]![0]!]!;
    const goesOn = op.kind === 'reshape' || (op.kind === 'binary' && op.fn === 'add');
    if (!goesOn || sizeOf(shape) !== sizeOf(nodes[id]!.shape)) break;
    if (op.kind === 'binary') end = next;
    at = next;
  }
  return end;
}

/** Results that keep a GPU busy when each has a lane or, in products, a thirtieth of one. */
const manyResults = 16_384;
/** Elements that one part of a sum should have at least. */
const shortestPart = 256;

/**
 * Cuts sums of many elements with few results into parts that are added up afterwards: the weight
 * gradients of narrow factors, biases and norms, each a sum over all tokens, and norms of all parameters.
 */
function splitLongSums(program: Program): Program {
  return rewriteProgram(program, (node, inputs) => {
    const { op, shape } = node;
    if (op.kind === 'matmul' && op.transposeA && !op.transposeB)
      return splitProduct(inputs[0]!, inputs[1]!, sizeOf(shape));
    if (op.kind === 'reduce' && op.fn !== 'mean') return splitReduction(inputs[0]!, op, shape);
    return undefined;
  });
}

/** aᵀ·b, `[K, M]ᵀ · [K, N]`, as a sum of products over parts of K. */
function splitProduct(a: Tensor, b: Tensor, results: number): Tensor | undefined {
  if (a.rank !== 2 || b.rank !== 2) return undefined;
  const parts = partsOf(a.shape[0]!, results);
  if (parts === 1) return undefined;
  const [left, right] = [cutAxis(a, 0, parts), cutAxis(b, 0, parts)];
  return sum(matmul(left, right, { transposeA: true }), { axes: [0] });
}

function splitReduction(
  x: Tensor,
  op: { readonly fn: 'sum' | 'max' | 'mean'; readonly axes: readonly number[]; readonly keepDims: boolean },
  shape: readonly number[],
): Tensor | undefined {
  const first = op.axes.length > 0 ? Math.min(...op.axes) : 0;
  const adjacent = op.axes.every((axis) => axis - first < op.axes.length);
  if (!adjacent || op.axes.length === 0) return undefined;
  const count = sizeOf(x.shape.slice(first, first + op.axes.length));
  const parts = partsOf(count, sizeOf(shape));
  if (parts === 1 || (op.fn === 'max' && count % parts !== 0)) return undefined;
  const flat = reshape(x, [...x.shape.slice(0, first), count, ...x.shape.slice(first + op.axes.length)]);
  const fn = op.fn === 'max' ? max : sum;
  const partial = fn(cutAxis(flat, first, parts), { axes: [first + 1] });
  return reshape(fn(partial, { axes: [first] }), shape);
}

/** `[…, n, …]` as `[…, parts, ⌈n / parts⌉, …]`, zeros at the end where n is not divisible. */
function cutAxis(x: Tensor, axis: number, parts: number): Tensor {
  const [before, n, after] = [x.shape.slice(0, axis), x.shape[axis]!, x.shape.slice(axis + 1)];
  const length = Math.ceil(n / parts);
  const missing = parts * length - n;
  const none = x.shape.map(() => 0);
  const whole = missing === 0 ? x : pad(x, none, none.with(axis, missing));
  return reshape(whole, [...before, parts, length, ...after]);
}

/** About as many partial results as can be worked on at once, a divisor of `count` where one is near. */
function partsOf(count: number, results: number): number {
  if (results >= manyResults || count < 2 * shortestPart) return 1;
  const wanted = Math.floor(Math.min(manyResults / results, count / shortestPart, Math.sqrt(count)));
  for (let parts = wanted; parts > wanted / 2; parts--) if (count % parts === 0) return Math.max(1, parts);
  return Math.max(1, wanted);
}
