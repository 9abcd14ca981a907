import type { GraphNode, NodeId, Program } from '../graph/graph.js';
import type { Op } from '../graph/op.js';
import { sizeOf } from '../graph/shape.js';
import { describeOp } from '../graph/structural-key.js';
import { definitionOf } from '../ops/registry.js';
import { Contraction } from './contraction.js';

/** Nodes of the same op on the same shapes, none of which depends on another. */
export interface ParallelGroup {
  /** In an order that suits what they read. */
  readonly members: readonly NodeId[];
  /** Per operand, whether all members read the same value. */
  readonly shared: readonly boolean[];
}

/** Below this many members, putting the operands together costs as much as it saves. */
const fewestMembers = 4;

/**
 * Finds groups of small nodes that can run as one op each, such that all of them together still leave an
 * order to run in.
 * @param largest number of elements of a value that may be copied to stack it
 * @returns the groups, and every node as part of its group or alone, in an order to run in
 */
export function parallelGroups(
  program: Program,
  largest: number,
): { groups: Map<NodeId, ParallelGroup>; order: (readonly NodeId[])[] } {
  const { nodes } = program;
  const contraction = new Contraction(nodes);
  for (const candidates of similarNodes(nodes, largest).values()) {
    if (candidates.length < fewestMembers) continue;
    for (const layer of contraction.layers(candidates)) {
      if (layer.length >= fewestMembers) contraction.contract(layer);
    }
  }
  const groups = new Map<NodeId, ParallelGroup>();
  const positions = new Map<NodeId, number>();
  const reached = reachedOrder(program);
  for (const layer of contraction.order()) {
    if (layer.length === 1) continue;
    const members = arrange(nodes, layer, positions, reached);
    const shared = nodes[members[0]!]!.inputs.map((input, i) =>
      members.every((member) => nodes[member]!.inputs[i] === input),
    );
    const group = { members, shared };
    members.forEach((member, i) => {
      groups.set(member, group);
      positions.set(member, i);
    });
  }
  dropUnprofitable(program, groups);
  const kept = new Contraction(nodes);
  for (const { members } of new Set(groups.values())) kept.contract(members);
  return { groups, order: kept.order().map((layer) => groups.get(layer[0]!)?.members ?? layer) };
}

/** Stackable small nodes that look alike from where they stand: same op, same operands, same operands of those. */
function similarNodes(nodes: readonly GraphNode[], largest: number): Map<string, NodeId[]> {
  const looks = looksOf(nodes, 2);
  const readers = readersOf(nodes);
  const similar = new Map<string, NodeId[]>();
  for (const node of nodes) {
    const fits = [node, ...node.inputs.map((id) => nodes[id]!)].every(
      ({ shape }) => sizeOf(shape) <= largest,
    );
    const { rearranges, stack } = definitionOf(node.op);
    if (!fits || stack === undefined) continue;
    // A new shape costs nothing by itself: what it is for decides what it should lie beside.
    const uses = rearranges === 'view' ? usesOf(nodes, readers[node.id]!) : '';
    const look = `${looks[node.id]!} ${uses}`;
    const found = similar.get(look);
    if (found === undefined) similar.set(look, [node.id]);
    else found.push(node.id);
  }
  return similar;
}

function readersOf(nodes: readonly GraphNode[]): NodeId[][] {
  const readers: NodeId[][] = nodes.map(() => []);
  for (const { id, inputs } of nodes) for (const input of inputs) readers[input]!.push(id);
  return readers;
}

function usesOf(nodes: readonly GraphNode[], readers: readonly NodeId[]): string {
  const uses = readers.map((reader) => `${nodes[reader]!.op.kind} ${nodes[reader]!.shape.join()}`);
  return [...new Set(uses)].sort().join(';');
}

/**
 * A number per node, equal for nodes that cannot be told apart by their ops and shapes and those of what
 * they read, down to `depth` steps (the colours of Weisfeiler and Leman). Which part of a value a slice
 * takes, and the names of feeds and weights, make no difference; constants do.
 */
function looksOf(nodes: readonly GraphNode[], depth: number): readonly number[] {
  const numbers = new Map<string, number>();
  const numberOf = (text: string) => {
    const known = numbers.get(text) ?? numbers.size;
    numbers.set(text, known);
    return known;
  };
  let looks = nodes.map(({ id, op, dtype, shape }) =>
    numberOf(op.kind === 'constant' ? `constant ${id}` : `${nameless(op)} ${dtype} ${shape.join()}`),
  );
  for (let step = 0; step < depth; step++) {
    looks = nodes.map(({ id, inputs }) =>
      numberOf(`${step}: ${looks[id]!} ${inputs.map((input) => looks[input]!).join()}`),
    );
  }
  return looks;
}

function nameless(op: Op): string {
  const { kind } = op;
  return kind === 'slice' || kind === 'feed' || kind === 'frozen' || kind === 'state' ? kind : describeOp(op);
}

/** Orders the members as the groups or slices that they read are ordered, else as they are needed. */
function arrange(
  nodes: readonly GraphNode[],
  layer: readonly NodeId[],
  positions: ReadonlyMap<NodeId, number>,
  reached: Uint32Array,
): NodeId[] {
  const { inputs } = nodes[layer[0]!]!;
  for (const position of [(id: NodeId) => positions.get(id), (id: NodeId) => sliceStart(nodes[id]!)]) {
    for (const i of inputs.keys()) {
      const keys = new Map(layer.map((member) => [member, position(nodes[member]!.inputs[i]!)]));
      if (
        new Set(keys.values()).size === layer.length &&
        !layer.some((member) => keys.get(member) === undefined)
      )
        return [...layer].sort((a, b) => keys.get(a)! - keys.get(b)!);
    }
  }
  return [...layer].sort((a, b) => reached[a]! - reached[b]!);
}

/**
 * When each node is finished on a walk from the results to the sources that takes operands in their order.
 * What a concatenation reads comes in the order in which it is joined, so that the parts of a group lie side
 * by side there, whereas a backward pass computes them from the last layer to the first.
 */
function reachedOrder({ nodes, outputs, updates }: Program): Uint32Array {
  const order = new Uint32Array(nodes.length);
  const next = new Uint32Array(nodes.length);
  let finished = 0;
  for (const root of [...outputs.values(), ...updates.values()]) {
    const path = order[root] === 0 ? [root] : [];
    while (path.length > 0) {
      const id = path.at(-1)!;
      const input = nodes[id]!.inputs[next[id]!++];
      if (input === undefined) {
        order[id] = ++finished;
        path.pop();
      } else if (next[input] === 0) path.push(input);
    }
  }
  return order;
}

function sliceStart({ op }: GraphNode): number | undefined {
  return op.kind === 'slice' ? op.starts[0] : undefined;
}

/** Takes out groups that would add at least as many ops for joining and cutting values as they save. */
function dropUnprofitable({ nodes, outputs, updates }: Program, groups: Map<NodeId, ParallelGroup>): void {
  const readers = readersOf(nodes);
  const roots = new Set([...outputs.values(), ...updates.values()]);
  const joins = ({ members, shared }: ParallelGroup) =>
    shared.reduce((cost, isShared, i) => {
      if (isShared) return cost;
      const read = members.map((member) => nodes[member]!.inputs[i]!);
      const source = groups.get(read[0]!);
      return cost + (source !== undefined && read.every((id) => groups.get(id) === source) ? 0 : 2);
    }, 0);
  const cuts = ({ members }: ParallelGroup) =>
    members.some((id) => roots.has(id) || readers[id]!.some((reader) => !groups.has(reader))) ? 2 : 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (const group of new Set(groups.values())) {
      if (group.members.length - 1 > joins(group) + cuts(group)) continue;
      for (const member of group.members) groups.delete(member);
      changed = true;
    }
  }
}
