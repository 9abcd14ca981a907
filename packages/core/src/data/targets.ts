import { InputError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';

/*
 * What an example is supposed to teach. A split says which targets it has, by kind; a kind fixes the dtype
 * and the shape of a target beside its image, and how it moves when the image is resized, cropped or flipped.
 * To add a kind: its variant below, its entry in `targetKinds`, and a case wherever the compiler then asks.
 */

/** One class per image. */
export interface LabelTarget {
  /** Class names by label. */
  readonly classNames: readonly string[];
  /** True labels `[length]`. */
  readonly labels: Int32Array;
}

/** A few numbers per image, e.g. an angle or an age. */
export interface ValueTarget {
  /** Names of the numbers; their count is n. */
  readonly names: readonly string[];
  /** `[length, n]`, row-major. */
  readonly values: Float32Array;
}

/** One class per pixel. */
export interface MaskTarget {
  /** Class names by index. */
  readonly classNames: readonly string[];
}

/** Metres per pixel along the optical axis. */
export interface DepthTarget {
  /** The largest depth that is measured, metres; pixels beyond it are marked as not measured. */
  readonly maximum?: number;
}

interface TargetOf {
  readonly label: LabelTarget;
  readonly value: ValueTarget;
  readonly mask: MaskTarget;
  readonly depth: DepthTarget;
}

export type TargetKind = keyof TargetOf;

/** The targets of a split, by kind. */
export type Targets = { readonly [K in TargetKind]?: TargetOf[K] };

/** The index of a mask's pixels that belong to no class; left out of losses and scores. */
export const ignoredPixel = -1;

export interface TargetKindDefinition {
  /** In words, for messages. */
  readonly description: string;
  readonly dtype: 'i32' | 'f32';
  /** Whether every pixel has a value of its own: then it is resized (nearest), cropped and flipped with its image. */
  readonly perPixel: boolean;
  /** For kinds with values per pixel: what stands where nothing is known. */
  readonly unknown: number;
}

export const targetKinds: { readonly [K in TargetKind]: TargetKindDefinition } = {
  label: { description: 'one class per image', dtype: 'i32', perPixel: false, unknown: -1 },
  value: { description: 'a few numbers per image', dtype: 'f32', perPixel: false, unknown: Number.NaN },
  mask: { description: 'one class per pixel', dtype: 'i32', perPixel: true, unknown: ignoredPixel },
  depth: { description: 'metres per pixel', dtype: 'f32', perPixel: true, unknown: 0 },
};

/** Every target kind by name. */
export const targetKindNames = Object.keys(targetKinds) as readonly TargetKind[];

/** The kinds whose values travel with the pixels. */
export const pixelTargetKinds = targetKindNames.filter((kind) => targetKinds[kind].perPixel);

/** The kinds of targets that a split has, in the order of {@link targetKindNames}. */
export function kindsOf(targets: Targets): readonly TargetKind[] {
  return targetKindNames.filter((kind) => targets[kind] !== undefined);
}

/**
 * The shape of a batch of targets: labels `[B]`, values `[B, n]`, masks and depth `[B, H, W]`.
 * @param imageSize H and W of the images beside them
 */
export function targetShape<K extends TargetKind>(
  kind: K,
  target: TargetOf[K],
  batch: number,
  imageSize: readonly [height: number, width: number],
): Shape {
  if (targetKinds[kind].perPixel) return [batch, ...imageSize];
  return kind === 'value' ? [batch, (target as ValueTarget).names.length] : [batch];
}

/**
 * The target of a kind.
 * @param owner who should have it, for the message, e.g. `the data set tiny-imagenet`
 * @throws InputError when it is not there
 */
export function requireTarget<K extends TargetKind>(targets: Targets, kind: K, owner: string): TargetOf[K] {
  const found = (targets as Partial<TargetOf>)[kind];
  if (found !== undefined) return found;
  const there = kindsOf(targets);
  throw new InputError(`There is no ${kind} target in ${owner}.`, {
    where: owner,
    expected: `targets of the kind ${kind} (${targetKinds[kind].description})`,
    received: there.length === 0 ? 'no targets' : there.join(', '),
    fix: 'Choose another data set; `bench list datasets` shows the targets of each.',
  });
}
