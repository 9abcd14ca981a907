import type { GraphNode } from '../graph/graph.js';

/** How an op treats operands whose axis 0 is cut into equal blocks. */
export type BlockRule =
  /** Block i of the result comes from block i of the operands marked in `cut`, and from the others whole. */
  | { readonly kind: 'blocks'; readonly cut: readonly boolean[] }
  /** The result is the sum over blocks of the op applied to each. */
  | { readonly kind: 'sum'; readonly cut: readonly boolean[] };

/**
 * The rule for `node` when the operands marked in `cut` are available in `count` blocks along axis 0.
 * Another operand may have to be cut too, where it is as long along axis 0.
 * @returns `undefined` where the op combines blocks in another way
 */
export function blockRule(
  node: GraphNode,
  operands: readonly GraphNode[],
  cut: readonly boolean[],
  count: number,
): BlockRule | undefined {
  const { op, shape } = node;
  const first = operands[0]!;
  const rank = shape.length;
  const blocks = { kind: 'blocks', cut } as const;
  const everyOperand = { kind: 'blocks', cut: cut.map(() => true) } as const;
  if (op.kind !== 'reduce' && op.kind !== 'matmul' && (rank === 0 || shape[0]! % count !== 0))
    return undefined;
  switch (op.kind) {
    case 'unary':
    case 'binary':
    case 'compare':
    case 'where':
    case 'cast':
    case 'gelu':
    case 'geluGrad':
      return alongFirst(node, operands, cut);
    case 'softmax':
    case 'softmaxGrad':
      return rank > 1 ? everyOperand : undefined;
    case 'attention':
    case 'attentionStatistics':
    case 'attentionGrad':
      return rank > 2 ? everyOperand : undefined;
    case 'crossEntropy':
    case 'crossEntropyGrad':
      return everyOperand;
    case 'layerNormGrad':
      return rank > 1 && !cut[1] ? { kind: 'blocks', cut: [true, false, true] } : undefined;
    case 'layerNorm':
    case 'linear':
      return rank > 1 && onlyFirst(cut) ? blocks : undefined;
    case 'reduce':
      if (!op.axes.includes(0)) return blocks;
      return op.fn === 'sum' ? { kind: 'sum', cut } : undefined;
    case 'matmul':
      return productRule(node, operands, cut);
    case 'reshape':
    case 'oneHot':
      return blocks;
    case 'transpose':
      return op.perm[0] === 0 ? blocks : undefined;
    case 'broadcast':
      return first.shape.length === rank && first.shape[0] === shape[0] ? blocks : undefined;
    case 'slice':
      return shape[0] === first.shape[0] ? blocks : undefined;
    case 'pad':
      return shape[0] === first.shape[0] ? blocks : undefined;
    case 'concat':
      return op.axis === 0 ? undefined : everyOperand;
    default:
      return undefined;
  }
}

function alongFirst(
  node: GraphNode,
  operands: readonly GraphNode[],
  cut: readonly boolean[],
): BlockRule | undefined {
  const rank = node.shape.length;
  const long = operands.map(
    ({ shape }) => shape.length === rank && shape[0] === node.shape[0] && shape[0] !== 1,
  );
  return cut.every((isCut, i) => !isCut || long[i]) ? { kind: 'blocks', cut: long } : undefined;
}

function productRule(
  node: GraphNode,
  [a, b]: readonly GraphNode[],
  cut: readonly boolean[],
): BlockRule | undefined {
  const { op } = node;
  if (op.kind !== 'matmul') return undefined;
  const [rankA, rankB] = [a!.shape.length, b!.shape.length];
  if (rankA === 2 && rankB === 2) {
    if (onlyFirst(cut)) return op.transposeA ? undefined : { kind: 'blocks', cut };
    const contracted = op.transposeA && !op.transposeB && cut[0] && cut[1];
    return contracted ? { kind: 'sum', cut } : undefined;
  }
  const rank = node.shape.length;
  const long = [a!, b!].map(
    ({ shape }) => shape.length === rank && shape[0] === node.shape[0] && shape[0] !== 1,
  );
  return cut.every((isCut, i) => !isCut || long[i]) ? { kind: 'blocks', cut: long } : undefined;
}

function onlyFirst(cut: readonly boolean[]): boolean {
  return cut[0] === true && cut.slice(1).every((isCut) => !isCut);
}
