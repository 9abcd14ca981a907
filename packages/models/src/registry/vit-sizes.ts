/** Geometry of the sizes, as timm's `vision_transformer.py` registers them. */
export const vitSizes = {
  tiny: { title: 'ViT-Ti', width: 192, depth: 12, heads: 3 },
  small: { title: 'ViT-S', width: 384, depth: 12, heads: 6 },
  base: { title: 'ViT-B', width: 768, depth: 12, heads: 12 },
  large: { title: 'ViT-L', width: 1024, depth: 24, heads: 16 },
} as const;

export type VitSize = keyof typeof vitSizes;

/**
 * Attention heads of an architecture by timm's name, e.g. 3 for `vit_tiny_patch16_224`; `undefined` when
 * the name says no size, or the width is not that size's.
 */
export function knownHeads(architecture: string, width: number): number | undefined {
  const size = /^vit_(tiny|small|base|large)_patch\d+_\d+$/.exec(architecture)?.[1] as VitSize | undefined;
  return size !== undefined && vitSizes[size].width === width ? vitSizes[size].heads : undefined;
}
