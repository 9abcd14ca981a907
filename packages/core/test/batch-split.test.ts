import type { BatchSplit, Graph, HostTensor, Program, Tensor } from '@kora-bench/core';
import {
  add,
  batchOf,
  broadcastTo,
  compositeKinds,
  concat,
  constant,
  crossEntropy,
  cutBatch,
  definitionOf,
  GraphBuilder,
  gelu,
  gradients,
  layerNorm,
  linear,
  makeProgram,
  max,
  mean,
  mul,
  narrow,
  reshape,
  scaledDotProductAttention,
  sizeOf,
  splitBatch,
  sub,
  sum,
  transpose,
} from '@kora-bench/core';
import { describe, expect, it } from 'vitest';

type Values = Readonly<Record<string, HostTensor>>;

/** Values of all nodes by the ops' float64 definitions; of sources by name; none where one is missing. */
function evaluate({ nodes }: Graph, sources: Values): (HostTensor | undefined)[] {
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

/** Sines for real numbers, small whole numbers for labels. */
function sourcesFor({ nodes }: Graph): Values {
  const named = nodes.flatMap(({ op, shape, dtype }) =>
    'name' in op ? [{ name: op.name, shape, dtype }] : [],
  );
  return Object.fromEntries(
    named.map(({ name, shape, dtype }) => {
      const phase = [...name].reduce((total, letter) => total + letter.charCodeAt(0), 0);
      const data =
        dtype === 'i32'
          ? Int32Array.from({ length: sizeOf(shape) }, (_, i) => i % 3)
          : Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(phase + 1.7 * i));
      return [name, { dtype, shape, data }];
    }),
  );
}

function named({ outputs, updates }: Program, values: readonly (HostTensor | undefined)[]) {
  const all = [...outputs, ...[...updates].map(([name, id]) => [`new ${name}`, id] as const)];
  return Object.fromEntries(all.map(([name, id]) => [name, [...values[id]!.data]]));
}

/** Works part by part, as a backend would. */
function runSplit({ outer, body, parts, blocks, shared, sums, joined }: BatchSplit, sources: Values) {
  const before = evaluate(outer, sources);
  const results: Record<string, HostTensor> = {};
  for (let part = 0; part < parts; part++) {
    const inputs: Record<string, HostTensor> = { ...sources };
    for (const { feed, outer: id } of blocks) {
      const { dtype, shape, data } = before[id]!;
      const length = data.length / parts;
      inputs[feed] = {
        dtype,
        shape: [shape[0]! / parts, ...shape.slice(1)],
        data: data.slice(part * length, (part + 1) * length),
      };
    }
    for (const { feed, outer: id } of shared) inputs[feed] = before[id]!;
    const values = evaluate(body, inputs);
    for (const { feed, output } of [...sums, ...joined]) {
      const { dtype, shape, data } = values[body.outputs.get(output)!]!;
      const node = outer.nodes.find(({ op }) => op.kind === 'feed' && op.name === feed)!;
      results[feed] ??= { dtype, shape: node.shape, data: new Float64Array(sizeOf(node.shape)) };
      const isSum = sums.some((result) => result.feed === feed);
      data.forEach((value, i) => {
        results[feed]!.data[isSum ? i : part * sizeOf(shape) + i]! += value;
      });
    }
  }
  return named(outer, evaluate(outer, { ...sources, ...results }));
}

/** A training step of a block of a transformer with a class token, on six examples. */
function trainingStep(): Program {
  const b = new GraphBuilder();
  const [batch, tokens, width] = [6, 3, 4];
  const trained = b.state('trained', [2 * width * width + 2 * width]);
  const part = (start: number, shape: readonly number[]) =>
    reshape(narrow(trained, 0, start, start + sizeOf(shape)), shape);
  const w = part(0, [width, width]);
  const v = part(width * width, [width, width]);
  const gamma = part(2 * width * width, [width]);
  const beta = part(2 * width * width + width, [width]);
  const images = b.feed('images', [batch, tokens, width]);
  const cls = broadcastTo(reshape(b.frozen('cls', [width]), [1, 1, width]), [batch, 1, width]);
  const x = concat([cls, linear(images, w)], 1);
  const heads = (t: Tensor) => transpose(reshape(t, [batch, tokens + 1, 2, width / 2]), [0, 2, 1, 3]);
  const normal = layerNorm(x, gamma, beta, 1e-6);
  const mixed = scaledDotProductAttention(heads(linear(normal, v)), heads(normal), heads(x), 0.7);
  const joined = reshape(transpose(mixed, [0, 2, 1, 3]), [batch, tokens + 1, width]);
  const logits = mean(gelu(add(joined, x)), { axes: [1] });
  const losses = crossEntropy(logits, b.feed('labels', [batch], 'i32'), 0.1);
  const loss = sum(mul(losses, b.feed('weight', [batch])));
  const gradient = gradients(loss, [trained])[0]!;
  const clipped = mul(gradient, b.feed('rate', []));
  return makeProgram(
    { loss, logits, worst: max(losses, { axes: [0] }), centred: sub(losses, mean(losses, { axes: [0] })) },
    { trained: sub(trained, clipped) },
  );
}

describe('splitBatch', () => {
  const program = trainingStep();
  const sources = sourcesFor(program);
  const whole = named(program, evaluate(program, sources));

  it.each([
    [2, false],
    [3, true],
    [6, true],
  ])('gives what the whole batch gives, in %i parts, states read inside: %s', (parts, repeats) => {
    const split = splitBatch(program, cutBatch(program, batchOf(program)!, parts), () => repeats);
    const found = runSplit(split, sources);
    expect(Object.keys(found)).toEqual(Object.keys(whole));
    for (const [name, values] of Object.entries(whole)) {
      expect(found[name], name).toHaveLength(values.length);
      values.forEach((value, i) => {
        expect(found[name]![i], name).toBeCloseTo(value, 12);
      });
    }
  });

  it('leaves no composite outside of the parts', () => {
    const { outer, body } = splitBatch(program, cutBatch(program, 6, 2));
    const composites = ({ nodes }: Program) =>
      new Set(nodes.map(({ op }) => op.kind).filter((kind) => compositeKinds.includes(kind as never)));
    expect(composites(outer)).toEqual(new Set());
    expect(composites(body)).toEqual(composites(program));
    expect(composites(program).size).toBeGreaterThanOrEqual(9);
  });

  it('hands over nothing that the parts may compute anew', () => {
    const cut = cutBatch(program, 6, 2);
    expect(splitBatch(program, cut).shared).not.toEqual([]);
    const { outer, shared, blocks, body } = splitBatch(program, cut, () => true);
    expect(shared).toEqual([]);
    expect(blocks.map(({ outer: id }) => outer.nodes[id]!.op.kind)).toEqual(['feed', 'feed', 'feed']);
    expect(body.nodes.filter(({ op }) => op.kind === 'state')).toHaveLength(1);
  });

  it('finds no batch in a program whose feeds are scalars', () => {
    const b = new GraphBuilder();
    expect(batchOf(makeProgram({ y: add(b.feed('x', []), constant(b, 1)) }))).toBeUndefined();
  });
});
