import { sizeOf } from '../graph/shape.js';
import { blockDiagonal } from '../ops/block-diagonal.js';
import { add, div, mul, sub } from '../ops/elementwise.js';
import { reshape, transpose } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { concat } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, nodeOf, rewriteGraph } from './rewrite.js';

/*
 * A method may give a layer its weight in another form, e.g. m ⊙ (W + s·B·A) / ‖W + s·B·A‖. Made once per step,
 * such a weight costs the layer a whole weight gradient, out·in numbers from all rows, although what trains in it is
 * small. Since the layer is linear, the form can be applied to its input or output instead:
 *
 *     x·(P + Q)ᵀ = x·Pᵀ + x·Qᵀ        x·(B·A)ᵀ = (x·Aᵀ)·Bᵀ        x·(c ⊙ P)ᵀ = c ⊙ (x·Pᵀ)  for a factor per row
 *     x·(P ⊙ d)ᵀ = (x ⊙ d)·Pᵀ  for a factor per column        x·(P·R)ᵀ = (x·Rᵀ)·Pᵀ  for a block-diagonal R
 */

export interface WeightFormOptions {
  /** Whether the graph is going to be differentiated. */
  readonly training: boolean;
}

/**
 * Decides for every linear layer whose weight is computed from trainable parameters whether the weight is made, or
 * its form is applied beside the layer: whichever takes fewer multiplications, the gradients' included.
 * @returns the roots in the rewritten graph
 */
export function applyWeightForms(roots: readonly Tensor[], options: WeightFormOptions): Tensor[] {
  const graph = roots[0]!.builder;
  const trained = new Map<Tensor['builder'], Uint8Array>();
  const isTrained = (tensor: Tensor): boolean => {
    const { builder, id } = tensor;
    let marks = trained.get(builder);
    if (marks === undefined || marks.length <= id) {
      marks = markTrained(builder);
      trained.set(builder, marks);
    }
    return marks[id] === 1;
  };
  return rewriteGraph(
    graph,
    roots.map((root) => root.id),
    (node, [x, weight, bias]) => {
      if (node.op.kind !== 'linear' || isPlain(weight!) || !isTrained(weight!)) return undefined;
      const [out, into] = weight!.shape as [number, number];
      const rows = sizeOf(x!.shape) / into;
      const beside = formOf(weight!, { rows, isTrained, ...options });
      const made = productCost(rows * into * out, true, options) + beside.making;
      if (beside.cost >= made) return undefined;
      const value = beside.apply(x!);
      return bias === undefined ? value : add(value, bias);
    },
  );
}

/** A weight's form: what it costs to apply it beside the layer, and how. */
interface Form {
  /** Multiplications, of forward pass and gradients. */
  readonly cost: number;
  /** Multiplications of making the weight instead, without the layer's own. */
  readonly making: number;
  /** `[…, in] → […, out]`. */
  apply(x: Tensor): Tensor;
}

interface FormContext extends WeightFormOptions {
  /** Rows of the layer's input. */
  readonly rows: number;
  isTrained(tensor: Tensor): boolean;
}

/** The form of a part of a weight, or the part made, whichever takes fewer multiplications. */
function cheaperForm(part: Tensor, context: FormContext): Form {
  const form = formOf(part, context);
  const [out, into] = part.shape as [number, number];
  const made = productCost(context.rows * into * out, context.isTrained(part), context) + form.making;
  return form.cost <= made ? form : { cost: made, making: form.making, apply: (x) => linear(x, part) };
}

function formOf(weight: Tensor, context: FormContext): Form {
  const { rows, isTrained } = context;
  const [out, into] = weight.shape as [number, number];
  const inner = (part: Tensor) => cheaperForm(part, context);
  const { op } = nodeOf(weight);
  const inputs = inputsOf(weight);
  if (
    op.kind === 'binary' &&
    (op.fn === 'add' || op.fn === 'sub') &&
    inputs.every((part) => sameAs(weight, part))
  ) {
    const [p, q] = inputs.map(inner) as [Form, Form];
    const join = op.fn === 'add' ? add : sub;
    return { ...together([p, q]), apply: (x) => join(p.apply(x), q.apply(x)) };
  }
  if (op.kind === 'binary' && (op.fn === 'mul' || op.fn === 'div')) {
    const [left, right] = inputs as [Tensor, Tensor];
    const [of, factor] = sameAs(weight, left) ? [left, right] : [right, left];
    const scaled =
      sameAs(weight, of) && !(op.fn === 'div' && of === right) ? scaledBy(factor, out, into) : undefined;
    if (scaled !== undefined) {
      const form = inner(of);
      const scale = op.fn === 'mul' ? mul : div;
      return {
        cost: form.cost + 2 * rows * (scaled.of === 'input' ? into : out),
        making: form.making + 2 * into * out,
        apply: (x) =>
          scaled.of === 'input' ? form.apply(scale(x, scaled.factor)) : scale(form.apply(x), scaled.factor),
      };
    }
  }
  if (op.kind === 'matmul' && inputs.every(({ rank }) => rank === 2)) {
    const [left, right] = inputs as [Tensor, Tensor];
    const up = op.transposeA ? transpose(left, [1, 0]) : left;
    const down = op.transposeB ? transpose(right, [1, 0]) : right;
    const rank = down.shape[0]!;
    const forms = together([inner(down), inner(up)]);
    return {
      cost: forms.cost,
      making: forms.making + productCost(out * rank * into, true, context),
      apply: (x) => inner(up).apply(inner(down).apply(x)),
    };
  }
  if (op.kind === 'concat' && op.axis === 0) {
    const parts = inputs.map(inner);
    return {
      ...together(parts),
      apply: (x) =>
        concat(
          parts.map((part) => part.apply(x)),
          -1,
        ),
    };
  }
  const turned = blockDiagonalProduct(weight);
  if (turned !== undefined) {
    const form = inner(turned.of);
    const size = turned.blocks.shape[2]!;
    return {
      cost: form.cost + productCost(rows * into * size, true, context),
      making: form.making + productCost(out * into * size, true, context),
      apply: (x) => form.apply(blockDiagonal(x, transpose(turned.blocks, [0, 2, 1]))),
    };
  }
  return {
    cost: productCost(rows * into * out, isTrained(weight), context),
    making: 0,
    apply: (x) => linear(x, weight),
  };
}

/** Multiplications of a product: forward, the gradient of its input and, where it trains, of its weight. */
function productCost(forward: number, trains: boolean, { training }: WeightFormOptions): number {
  return forward * (!training ? 1 : trains ? 3 : 2);
}

function together(forms: readonly Form[]): Pick<Form, 'cost' | 'making'> {
  const sum = (value: (form: Form) => number) => forms.reduce((total, form) => total + value(form), 0);
  return { cost: sum(({ cost }) => cost), making: sum(({ making }) => making) };
}

/** A factor on a weight `[out, in]` as one on the layer's output or input; `undefined` for a factor per element. */
function scaledBy(
  factor: Tensor,
  out: number,
  into: number,
): { readonly of: 'input' | 'output'; readonly factor: Tensor } | undefined {
  const [rows, columns] = [factor.shape.at(-2) ?? 1, factor.shape.at(-1) ?? 1];
  if (factor.rank > 2) return undefined;
  if (rows === 1 && columns === 1) return { of: 'output', factor: reshape(factor, []) };
  if (columns === 1 && rows === out) return { of: 'output', factor: reshape(factor, [out]) };
  if (rows === 1 && columns === into) return { of: 'input', factor: reshape(factor, [into]) };
  return undefined;
}

/** The product of a weight with a block-diagonal matrix, as {@link blockDiagonal} traces it. */
function blockDiagonalProduct(weight: Tensor): { readonly of: Tensor; readonly blocks: Tensor } | undefined {
  const step = (tensor: Tensor | undefined, kind: string) =>
    tensor !== undefined && nodeOf(tensor).op.kind === kind ? inputsOf(tensor) : undefined;
  const product = step(step(step(weight, 'reshape')?.[0], 'transpose')?.[0], 'matmul');
  const of = step(step(product?.[0], 'transpose')?.[0], 'reshape')?.[0];
  const blocks = product?.[1];
  if (of === undefined || blocks === undefined || !sameAs(weight, of) || blocks.rank !== 3) return undefined;
  const again = blockDiagonal(of, blocks);
  return again.id === weight.id ? { of, blocks } : undefined;
}

function sameAs(weight: Tensor, part: Tensor): boolean {
  return part.rank === 2 && part.shape[0] === weight.shape[0] && part.shape[1] === weight.shape[1];
}

/** Whether a weight is just stored or cut out of the parameters. */
function isPlain(weight: Tensor): boolean {
  const { op } = nodeOf(weight);
  return op.kind === 'frozen' || (op.kind === 'reshape' && inputsOf(weight)[0]!.rank < 2);
}

function markTrained(graph: Tensor['builder']): Uint8Array {
  const marks = new Uint8Array(graph.nodes.length);
  for (const { id, op, inputs } of graph.nodes)
    marks[id] = op.kind === 'state' || inputs.some((input) => marks[input] === 1) ? 1 : 0;
  return marks;
}
