import { ignoredPixel, type PixelBatch } from '@kora-bench/core/data';

/*
 * One decoded example as workers hand it over and the cache keeps it: depth (float32 `[H, W]`), the mask
 * (int16 `[H, W]`), then pixels (RGB bytes `[H, W, 3]`), whichever the split has, in the machine's byte order.
 */

/** What a packed example holds and where. */
export interface PackedLayout {
  readonly imageSize: readonly [height: number, width: number];
  readonly depth: boolean;
  readonly mask: boolean;
  /** Bytes of one example. */
  readonly bytes: number;
}

export function packedLayout(
  imageSize: readonly [height: number, width: number],
  { depth, mask }: { readonly depth: boolean; readonly mask: boolean },
): PackedLayout {
  const area = imageSize[0] * imageSize[1];
  return { imageSize, depth, mask, bytes: area * (3 + (depth ? 4 : 0) + (mask ? 2 : 0)) };
}

/** The parts of a packed example as views of its bytes. */
export interface PackedParts {
  readonly depth?: Float32Array;
  readonly mask?: Int16Array;
  readonly pixels: Uint8Array;
}

/** @param packed one example from the start of its buffer on: only there its numbers are aligned */
export function partsOf(packed: Uint8Array, layout: PackedLayout): PackedParts {
  const area = layout.imageSize[0] * layout.imageSize[1];
  const { buffer, byteOffset } = packed;
  const maskAt = byteOffset + (layout.depth ? 4 * area : 0);
  const pixelsAt = maskAt + (layout.mask ? 2 * area : 0);
  return {
    ...(layout.depth && { depth: new Float32Array(buffer, byteOffset, area) }),
    ...(layout.mask && { mask: new Int16Array(buffer, maskAt, area) }),
    pixels: new Uint8Array(buffer, pixelsAt, 3 * area),
  };
}

/** Arrays for `count` examples, all pixels black and all targets unknown. */
export function emptyBatch(count: number, layout: PackedLayout): PixelBatch {
  const area = layout.imageSize[0] * layout.imageSize[1];
  return {
    pixels: new Uint8Array(count * area * 3),
    ...(layout.mask && { mask: new Int32Array(count * area).fill(ignoredPixel) }),
    ...(layout.depth && { depth: new Float32Array(count * area) }),
  };
}

/** Writes a packed example into place `at` of a batch. */
export function unpackInto(
  batch: PixelBatch,
  at: number,
  packed: Uint8Array<ArrayBuffer>,
  layout: PackedLayout,
): void {
  const parts = partsOf(packed, layout);
  const area = layout.imageSize[0] * layout.imageSize[1];
  batch.pixels.set(parts.pixels, at * area * 3);
  if (parts.mask !== undefined) batch.mask?.set(parts.mask, at * area);
  if (parts.depth !== undefined) batch.depth?.set(parts.depth, at * area);
}
