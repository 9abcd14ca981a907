import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import type { Precision } from '../wgsl/numbers.js';
import { joinAnchors, joinBesides, limitReadings, statisticsOfAttentions } from './anchor-kernels.js';
import { joinedParts } from './joined-parts.js';
import type { Destination, Kernel, KernelPlan } from './kernel.js';
import type { Role } from './op-roles.js';
import { roleOf } from './op-roles.js';
import type { PlanView } from './plan-view.js';
import { sumsOfProducts } from './plan-view.js';
import { groupedPointwise } from './pointwise-kernels.js';
import { keysOf, readingsOf } from './readings.js';
import { rowOperands, rowProducts, rowUpdates } from './row-kernels.js';
import { backwardNodes, halfValues, storedValues } from './stored-values.js';

/**
 * Decides which values get a buffer and which kernels compute them. An elementwise op joins its only
 * reader or, behind a product or a reduction, the kernel before it; views cost nothing.
 * @param mostReadings buffers that one kernel can read
 * @param precision how real numbers are kept, as far as they allow it
 */
export function planKernels(program: Program, mostReadings: number, precision: Precision): KernelPlan {
  const { nodes } = program;
  const readings = readingsOf(program);
  const updates = rowUpdates(readings);
  const inline = new Set(updates.values());
  const { terms, absorbed } = sumsOfProducts(readings, inline);
  const rolesOf = ({ id, op }: GraphNode): Role => {
    if (absorbed.has(id)) return 'absorbed';
    if (inline.has(id)) return 'inline';
    return terms.has(id) ? 'anchor' : roleOf(op);
  };
  const view: PlanView = {
    ...readings,
    results: new Set([...program.outputs.values(), ...program.updates.values()]),
    roles: nodes.map(rolesOf),
    terms,
  };

  const stored = storedValues(view);
  const statistics = statisticsOfAttentions(view);
  const joins = joinAnchors(view, stored, statistics, updates);
  limitReadings(view, stored, joins, mostReadings);
  joinBesides(view, stored, joins, statistics);
  const anchorOf = (id: NodeId) => (view.roles[id] === 'anchor' ? id : joins.anchors.get(id));
  const storedBy = (anchor: NodeId) => {
    const root = joins.roots.get(anchor) ?? anchor;
    return [root, ...keysOf(joins.besides, root)];
  };
  const operands = rowOperands(view, updates.keys(), { stored, anchorOf, storedBy }, mostReadings + 1);
  const writtenBy = (anchor: NodeId) => [...keysOf(operands, anchor), ...storedBy(anchor)];
  const products = rowProducts(view, { stored, anchorOf, storedBy: writtenBy }, mostReadings + 1);
  const parts = joinedParts(view, stored);
  const groups = groupedPointwise(
    view,
    stored,
    joins,
    new Set([...statistics.keys(), ...operands.keys()]),
    mostReadings + 1,
  );
  for (const id of groups.flatMap(({ inner }) => inner)) stored.delete(id);
  const groupAt = new Map(groups.map(({ outputs }) => [outputs.at(-1)!, outputs]));
  const grouped = new Set(groups.flatMap(({ outputs }) => outputs.slice(0, -1)));

  const kernels = nodes.flatMap((node): readonly Kernel[] => {
    const { id } = node;
    const role = view.roles[id]!;
    if (role === 'joined') return parts.copies.get(id) ?? [];
    if (!stored.has(id) || role === 'source') return [];
    const anchor = anchorOf(id);
    if (statistics.has(id) || operands.has(id) || joins.besides.has(id) || grouped.has(id)) return [];
    const output = (root: NodeId) => ({ root, destination: parts.inPlace.get(root) ?? whole(nodes[root]!) });
    if (anchor === undefined)
      return [{ anchors: [], terms: [], outputs: (groupAt.get(id) ?? [id]).map(output) }];
    if (products.has(anchor)) return [];
    const outputsOf = (each: NodeId) => storedBy(each).map((root) => ({ ...output(root), anchor: each }));
    const anchors = [anchor, ...keysOf(statistics, anchor), ...keysOf(products, anchor)];
    const outputs = [...keysOf(operands, anchor).map(output), ...anchors.flatMap(outputsOf)];
    return [{ anchors, terms: terms.get(anchor) ?? [], outputs }];
  });
  for (const id of parts.inPlace.keys()) stored.delete(id);
  const backward = backwardNodes(program);
  const halves = precision === 'f16' ? halfValues(program, stored, backward) : new Set<NodeId>();
  const storageOf = (id: NodeId) => (halves.has(id) ? 'f16' : nodes[id]!.dtype);
  return { kernels, stored, backward, storageOf };
}

function whole({ id, shape }: GraphNode): Destination {
  return { buffer: id, shape: [sizeOf(shape)], strides: [1], offset: 0 };
}
