import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import type { OnnxGraph } from '../onnx/onnx-graph.js';

/** A part of a value: everything on all axes but one. */
interface Part {
  readonly node: GraphNode;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** Slices that one Split writes: parts of one value along one axis that do not overlap, in order. */
type Row = Part[];

/**
 * Finds slices that cut one value into parts, and writes each such set as one Split instead of one Slice
 * per part.
 * @param needed marks the nodes that are written
 * @returns how to write each slice of such a set into the one graph that the program is exported to: given
 *   the name of the value, the name of the part
 */
export function planSplits(
  program: Program,
  needed: Uint8Array,
): Map<NodeId, (graph: OnnxGraph, source: string) => string> {
  const cuts = new Map<string, Part[]>();
  for (const node of program.nodes) {
    const part = needed[node.id] === 1 ? partOf(program, node) : undefined;
    if (part === undefined) continue;
    const key = `${node.inputs[0]!}:${part.axis}`;
    const found = cuts.get(key);
    if (found === undefined) cuts.set(key, [part]);
    else found.push(part);
  }
  const writers = new Map<NodeId, (graph: OnnxGraph, source: string) => string>();
  for (const parts of cuts.values()) {
    for (const row of rowsOf(parts)) {
      if (row.length < 2) continue;
      const extent = program.nodes[row[0]!.node.inputs[0]!]!.shape[row[0]!.axis]!;
      let names: Map<NodeId, string> | undefined;
      for (const { node } of row) {
        writers.set(node.id, (graph, source) => {
          names ??= writeSplit(graph, source, row, extent);
          return names.get(node.id)!;
        });
      }
    }
  }
  return writers;
}

function partOf({ nodes }: Program, node: GraphNode): Part | undefined {
  const { op } = node;
  if (op.kind !== 'slice') return undefined;
  const { shape } = nodes[node.inputs[0]!]!;
  const axes = shape.flatMap((extent, i) => (op.starts[i] === 0 && op.ends[i] === extent ? [] : [i]));
  const [axis] = axes;
  if (axis === undefined || axes.length > 1) return undefined;
  return { node, axis, start: op.starts[axis]!, end: op.ends[axis]! };
}

/** Distributes parts over as few rows without overlaps as a first fit in order of their starts gives. */
function rowsOf(parts: Part[]): Row[] {
  const rows: Row[] = [];
  for (const part of parts.sort((a, b) => a.start - b.start)) {
    const row = rows.find((candidate) => candidate.at(-1)!.end <= part.start);
    if (row === undefined) rows.push([part]);
    else row.push(part);
  }
  return rows;
}

function writeSplit(graph: OnnxGraph, source: string, row: Row, extent: number): Map<NodeId, string> {
  const sizes: number[] = [];
  const owners: (NodeId | undefined)[] = [];
  let at = 0;
  const add = (end: number, owner?: NodeId) => {
    if (end > at) {
      sizes.push(end - at);
      owners.push(owner);
    }
    at = end;
  };
  for (const { node, start, end } of row) {
    add(start);
    add(end, node.id);
  }
  add(extent);
  const names = graph.nodes('Split', [source, graph.integers(sizes)], {
    attributes: { axis: { int: row[0]!.axis } },
    outputs: sizes.length,
  });
  return new Map(owners.flatMap((owner, i) => (owner === undefined ? [] : [[owner, names[i]!] as const])));
}
