import type { Graph, HostTensor, Program } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { definitionOf } from '@kora-bench/core/ops';
import type { BatchSplit } from '@kora-bench/core/passes';

/** Values of sources by name. */
export type Sources = Readonly<Record<string, HostTensor>>;

/** Values of all nodes by the ops' float64 definitions; none where a source is missing. */
function evaluate({ nodes }: Graph, sources: Sources): (HostTensor | undefined)[] {
  const values: (HostTensor | undefined)[] = [];
  for (const { op, inputs, shape, dtype } of nodes) {
    const operands = inputs.map((id) => values[id]);
    if (op.kind === 'constant') values.push({ dtype, shape, data: op.data });
    else if ('name' in op) values.push(sources[op.name]);
    else if (operands.includes(undefined)) values.push(undefined);
    else values.push(definitionOf(op).evaluate(op, operands as HostTensor[], { shape, dtype }));
  }
  return values;
}

/** Outputs and updates of a program. */
export function runWhole(program: Program, sources: Sources): Record<string, HostTensor> {
  const values = evaluate(program, sources);
  const { outputs, updates } = program;
  const all = [...outputs, ...[...updates].map(([name, id]) => [`new ${name}`, id] as const)];
  return Object.fromEntries(all.map(([name, id]) => [name, values[id]!]));
}

/** The same, worked on part by part, as a backend would. */
export function runSplit(
  { outer, body, parts, blocks, shared, sums, joined }: BatchSplit,
  sources: Sources,
): Record<string, HostTensor> {
  const before = evaluate(outer, sources);
  const results: Record<string, HostTensor> = {};
  const summed = new Set(sums.map(({ feed }) => feed));
  for (let part = 0; part < parts; part++) {
    const inputs: Record<string, HostTensor> = { ...sources };
    for (const { feed, outer: id } of blocks) inputs[feed] = blockOf(before[id]!, part, parts);
    for (const { feed, outer: id } of shared) inputs[feed] = before[id]!;
    const values = evaluate(body, inputs);
    for (const { feed, output } of [...sums, ...joined]) {
      const { dtype, shape, data } = values[body.outputs.get(output)!]!;
      const whole = summed.has(feed) ? shape : [shape[0]! * parts, ...shape.slice(1)];
      const start = summed.has(feed) ? 0 : part * data.length;
      results[feed] ??= { dtype, shape: whole, data: new Float64Array(sizeOf(whole)) };
      data.forEach((value, i) => {
        results[feed]!.data[start + i]! += value;
      });
    }
  }
  return runWhole(outer, { ...sources, ...results });
}

function blockOf({ dtype, shape, data }: HostTensor, part: number, parts: number): HostTensor {
  const length = data.length / parts;
  const block = data.slice(part * length, (part + 1) * length);
  return { dtype, shape: [shape[0]! / parts, ...shape.slice(1)], data: block };
}
