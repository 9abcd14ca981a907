import { InternalError } from '../errors/kora-error.js';
import type { HostData, Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import { broadcastTo, reshape } from '../ops/layout.js';
import { concat, narrow } from '../ops/slicing.js';
import { constant } from '../ops/sources.js';
import type { UpdateFactors } from '../peft/parameter.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';

/*
 * All trainable parameters of a program live in one flat vector [P], and so do the optimiser's moments.
 * An update is then a handful of ops however many parameters there are, and a checkpoint is one tensor.
 */

export interface LayoutEntry {
  readonly name: string;
  readonly shape: Shape;
  /** Position of the first element in the flat vector. */
  readonly offset: number;
  readonly size: number;
  readonly update?: UpdateFactors;
}

/** A parameter to be placed. */
export type PlacedParameter = Pick<LayoutEntry, 'name' | 'shape' | 'update'>;

export interface ParameterLayout {
  readonly entries: readonly LayoutEntry[];
  /** P, the length of the flat vector. */
  readonly length: number;
}

/**
 * Places parameters one after the other: those whose names differ only in an index (the same layer of all
 * blocks) side by side, in the order given otherwise. What works on all of them at once then finds them
 * in one piece.
 */
export function layoutParameters(parameters: readonly PlacedParameter[]): ParameterLayout {
  const families = new Map<string, PlacedParameter[]>();
  for (const parameter of parameters) {
    const family = parameter.name.replace(/(?<=^|\.)\d+(?=\.|$)/g, '#');
    const found = families.get(family);
    if (found === undefined) families.set(family, [parameter]);
    else found.push(parameter);
  }
  let length = 0;
  const entries = [...families.values()].flat().map(({ name, shape, update }) => {
    const entry = { name, shape, offset: length, size: sizeOf(shape), ...(update && { update }) };
    length += entry.size;
    return entry;
  });
  return { entries, length };
}

/**
 * The part of the flat vector `[P]` that each parameter occupies, `[size]` each. These, not the shaped
 * parameters, are what to differentiate by: a pass may merge a parameter's shape into the op that reads it.
 */
export function parameterSlices(flat: Tensor, layout: ParameterLayout): Tensor[] {
  return layout.entries.map(({ offset, size }) => narrow(flat, 0, offset, offset + size));
}

/**
 * One kind of factor for every element of the flat vector, `[P]`.
 * @returns `undefined` where all are 1
 */
export function factorVector(
  kind: keyof UpdateFactors,
  { entries }: ParameterLayout,
  { builder }: Tensor,
): Tensor | undefined {
  const runs: { factor: number; size: number }[] = [];
  for (const { size, update } of entries) {
    const factor = update?.[kind] ?? 1;
    const last = runs.at(-1);
    if (last?.factor === factor) last.size += size;
    else runs.push({ factor, size });
  }
  if (runs.every(({ factor }) => factor === 1)) return undefined;
  const parts = runs.map(({ factor, size }) => broadcastTo(constant(builder, factor), [size]));
  return concat(parts, 0);
}

/** Cuts the flat vector `[P]` of a graph into its parameters. */
export function unpackParameters(flat: Tensor, layout: ParameterLayout): Map<string, Tensor> {
  const slices = parameterSlices(flat, layout);
  return new Map(layout.entries.map(({ name, shape }, i) => [name, reshape(slices[i]!, shape)]));
}

/** Joins one gradient per parameter, of any shape, into a flat vector `[P]`; a missing one counts as zeros. */
export function packGradients(
  gradients: readonly (Tensor | undefined)[],
  layout: ParameterLayout,
  like: Tensor,
): Tensor {
  const parts = layout.entries.map(({ size }, i) => {
    const gradient = gradients[i];
    return gradient === undefined
      ? broadcastTo(constant(like.builder, 0), [size])
      : reshape(gradient, [size]);
  });
  return concat(parts, 0);
}

/** Host values by name from a flat vector; views, not copies. */
export function splitFlat(flat: HostTensor, layout: ParameterLayout): Map<string, HostTensor> {
  return new Map(
    layout.entries.map(({ name, shape, offset, size }) => [
      name,
      { dtype: 'f32', shape, data: flat.data.subarray(offset, offset + size) },
    ]),
  );
}

/** A flat host vector from values by name. @throws InternalError when a value is missing or misshapen */
export function joinFlat(values: (name: string) => HostData, layout: ParameterLayout): HostTensor {
  const data = new Float32Array(layout.length);
  for (const { name, offset, size } of layout.entries) {
    const value = values(name);
    if (value.length !== size)
      throw new InternalError(`The value of ${name} has ${value.length} elements instead of ${size}.`);
    data.set(value, offset);
  }
  return { dtype: 'f32', shape: [layout.length], data };
}
