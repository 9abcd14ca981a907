import type { Cost, NodeId, Program } from '@kora-bench/core';
import { nodeCost, sizeOf } from '@kora-bench/core';
import { storedBytes } from '../wgsl/scalar.js';
import type { Bundle } from './bundle-kernels.js';
import type { Kernel } from './kernel.js';
import type { KernelPlan } from './plan-kernels.js';

/** The arithmetic of one run of a dispatch and the bytes it must at least read and write. */
export function kernelCost(program: Program, { stored, storageOf }: KernelPlan, bundle: Bundle): Cost {
  const { nodes } = program;
  const seen = new Set<NodeId>();
  let flops = 0;
  let bytes = 0;
  const visit = (id: NodeId, root: boolean) => {
    if (seen.has(id)) return;
    seen.add(id);
    const node = nodes[id]!;
    if (stored.has(id) && !root) {
      bytes += storedBytes(storageOf(id)) * sizeOf(node.shape);
      return;
    }
    flops += nodeCost(program, node).flops;
    // Of a value that a slice is taken of, only the slice is read.
    const [source] = node.inputs;
    if (node.op.kind === 'slice' && stored.has(source!))
      bytes += storedBytes(storageOf(source!)) * sizeOf(node.shape);
    else for (const input of node.inputs) visit(input, false);
  };
  for (const { root, destination } of bundle.flatMap(({ outputs }) => outputs)) {
    bytes += storedBytes(storageOf(destination.buffer)) * sizeOf(nodes[root]!.shape);
    visit(root, destination.buffer === root);
  }
  return { flops, bytes };
}

/** What a dispatch computes and where in the model, without the number of the block. */
export function kernelLabel(program: Program, bundle: Bundle): string {
  return [...new Set(bundle.map((kernel) => labelOf(program, kernel)))].join(' & ');
}

function labelOf({ nodes }: Program, { anchors, terms, outputs }: Kernel): string {
  const { root } = outputs[0]!;
  const { op, scope, shape } = nodes[anchors[0] ?? root]!;
  const besides = anchors
    .slice(1)
    .map((id) => ` & ${nodes[id]!.op.kind}`)
    .join('');
  const inner = terms.length === 0 ? [] : nodes[terms[0]!]!.inputs.map((id) => `[${nodes[id]!.shape}]`);
  const what = terms.length === 0 ? op.kind : `${terms.length} matmul ${inner.join('·')}`;
  const behind = root === anchors[0] || anchors.length === 0 ? '' : ` → ${nodes[root]!.op.kind}`;
  return `${scope.replace(/\d+/g, '#')} ${what}${behind} [${shape}]${besides}`.trim();
}
