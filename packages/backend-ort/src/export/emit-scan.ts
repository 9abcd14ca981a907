import type { NodeId } from '@kora-bench/core/graph';
import type { BatchSplit } from '@kora-bench/core/passes';
import type { OnnxGraph } from '../onnx/onnx-graph.js';

/** The graph of one part. */
export interface ScanBody {
  /** Still empty. */
  readonly inner: OnnxGraph;
  /** Writes the nodes into `inner` and returns what finds the name of an output. */
  writeBody(): (output: string) => string;
}

/**
 * Writes the ONNX Scan that runs the body once per part: its state variables are the sums, its scan inputs
 * the blocks (a reshape puts the parts in front), its scan outputs what is joined again.
 * Source: https://onnx.ai/onnx/operators/onnx__Scan.html
 * @returns the name of each result in `graph`, by the outer program's feed
 */
export function emitScan(
  graph: OnnxGraph,
  split: BatchSplit,
  outerNames: ReadonlyMap<NodeId, string>,
  { inner, writeBody }: ScanBody,
): Map<string, string> {
  const { body, outer, parts, blocks, sums, joined } = split;
  const typeOf = (output: string) => body.nodes[body.outputs.get(output)!]!;
  writeInner(split, { inner, writeBody });

  const starts = sums.map(({ output }) =>
    graph.node('ConstantOfShape', [graph.integers(typeOf(output).shape)]),
  );
  const cut = blocks.map(({ outer: id }) => {
    const { shape } = outer.nodes[id]!;
    return graph.node('Reshape', [
      outerNames.get(id)!,
      graph.integers([parts, shape[0]! / parts, ...shape.slice(1)]),
    ]);
  });
  const results = graph.nodes('Scan', [...starts, ...cut], {
    attributes: { body: { graph: inner }, num_scan_inputs: { int: blocks.length } },
    outputs: sums.length + joined.length,
  });
  const named = new Map(sums.map(({ feed }, i) => [feed, results[i]!]));
  joined.forEach(({ feed, output }, i) => {
    const { shape } = typeOf(output);
    const whole = graph.integers([shape[0]! * parts, ...shape.slice(1)]);
    named.set(feed, graph.node('Reshape', [results[sums.length + i]!, whole]));
  });
  return named;
}

function writeInner(split: BatchSplit, { inner, writeBody }: ScanBody): void {
  const { body, outer, parts, blocks, sums, joined } = split;
  const typeOf = (output: string) => body.nodes[body.outputs.get(output)!]!;
  for (const { output } of sums) inner.input(`part:before:${output}`, 'f32', typeOf(output).shape);
  for (const { feed, outer: id } of blocks) {
    const { dtype, shape } = outer.nodes[id]!;
    inner.input(`part:${feed}`, dtype, [shape[0]! / parts, ...shape.slice(1)]);
  }
  const nameOf = writeBody();
  const publish = (output: string, name: string) => {
    const { dtype, shape } = typeOf(output);
    inner.output(name, dtype, shape);
  };
  for (const { output } of sums) {
    const after = `part:after:${output}`;
    inner.node('Add', [`part:before:${output}`, nameOf(output)], { name: after });
    publish(output, after);
  }
  for (const { output } of joined) {
    inner.node('Identity', [nameOf(output)], { name: `part:${output}` });
    publish(output, `part:${output}`);
  }
}
