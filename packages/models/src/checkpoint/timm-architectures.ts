import type { VitVariant } from '@kora-bench/core/nn';

/** How timm builds a `VisionTransformer`, in the terms of its arguments where ours differ. */
export interface TimmSettings extends Omit<VitVariant, 'lastNorm' | 'headBias'> {
  readonly patchSize: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** Width of what `fc1` gives, as a multiple of the model's. */
  readonly mlpRatio: number;
  readonly layerNormEps: number;
  /** Whether there is a last norm at all. */
  readonly finalNorm: boolean;
  /** Whether the last norm comes after pooling; absent: with pooling by mean. */
  readonly fcNorm?: boolean;
}

type Size = readonly [width: number, depth: number, heads: number, mlpRatio: number];

const sizes = {
  tiny: [192, 12, 3, 4],
  small: [384, 12, 6, 4],
  base: [768, 12, 12, 4],
  large: [1024, 24, 16, 4],
  huge: [1280, 32, 16, 4],
  giant: [1408, 40, 16, 48 / 11],
  gigantic: [1664, 48, 16, 64 / 13],
  wee: [256, 14, 4, 5],
  xsmall: [256, 10, 4, 4],
  little: [320, 14, 5, 5.6],
  medium: [512, 12, 8, 4],
  mediumd: [512, 20, 8, 4],
  betwixt: [640, 12, 10, 4],
  so150m2: [832, 21, 13, 34 / 13],
  so150m: [896, 18, 14, 2.572],
  plus: [896, 12, 14, 4],
  so400m: [1152, 27, 16, 3.7362],
  giantDinov2: [1536, 40, 24, 5.33334],
  giantopt: [1536, 40, 16, 4],
} as const satisfies Record<string, Size>;

type Traits = Partial<TimmSettings>;

const clip: Traits = { preNorm: true, layerNormEps: 1e-5 };
const quickGelu: Traits = { activation: 'quick_gelu' };
const geluTanh: Traits = { activation: 'gelu_tanh' };
const swiglu: Traits = { mlp: 'swiglu', activation: 'silu' };
const layerScale: Traits = { layerScale: true };
const patchPositions: Traits = { positions: 'patches' };
const noQkvBias: Traits = { qkvBias: false };
const distilled: Traits = { distilledToken: true, pool: 'distilled' };
const noFinalNorm: Traits = { finalNorm: false };
/** The mean of the patches, without a class token: normed afterwards, or before. */
const average: Traits = { classToken: false, pool: 'avg' };
const averageOfNormed: Traits = { ...average, fcNorm: false };
const attention: Traits = { classToken: false, pool: 'map' };
const registers = (count: number): Traits => ({ registers: count });
const deit3: Traits = { ...layerScale, ...patchPositions };
const dinov2Registers = (count: number): Traits => ({ ...deit3, ...registers(count) });
const registersAverage = (count: number): Traits => ({ ...average, ...patchPositions, ...registers(count) });

function vit(size: keyof typeof sizes | Size, patchSize: number, ...traits: readonly Traits[]): TimmSettings {
  const [width, depth, heads, mlpRatio] = typeof size === 'string' ? sizes[size] : size;
  const plain = { patchSize, width, depth, heads, mlpRatio, layerNormEps: 1e-6, finalNorm: true };
  return Object.assign(plain, ...traits) as TimmSettings;
}

/**
 * What timm 1.0.31 builds under a name: `vision_transformer.py` and `deit.py`. Where names differ in the image size
 * alone, it is left out.
 */
const architectures: Readonly<Record<string, TimmSettings>> = {
  deit_tiny_patch16: vit('tiny', 16),
  deit_small_patch16: vit('small', 16),
  deit_base_patch16: vit('base', 16),
  deit_tiny_distilled_patch16: vit('tiny', 16, distilled),
  deit_small_distilled_patch16: vit('small', 16, distilled),
  deit_base_distilled_patch16: vit('base', 16, distilled),
  deit3_small_patch16: vit('small', 16, deit3),
  deit3_medium_patch16: vit('medium', 16, deit3),
  deit3_base_patch16: vit('base', 16, deit3),
  deit3_large_patch16: vit('large', 16, deit3),
  deit3_huge_patch14: vit('huge', 14, deit3),
  eva_large_patch14: vit('large', 14, { pool: 'avg' }),
  flexivit_small: vit('small', 16, patchPositions),
  flexivit_base: vit('base', 16, patchPositions),
  flexivit_large: vit('large', 16, patchPositions),
  test_vit: vit([64, 6, 2, 3], 16),
  test_vit2: vit([64, 8, 2, 3], 16, average, registers(1), layerScale),
  test_vit3: vit([96, 9, 3, 2], 16, attention, registers(1), layerScale, { poolPrefix: true }),
  vit_tiny_patch16: vit('tiny', 16),
  vit_small_patch8: vit('small', 8),
  vit_small_patch16: vit('small', 16),
  vit_small_patch32: vit('small', 32),
  vit_base_patch8: vit('base', 8),
  vit_base_patch16: vit('base', 16),
  vit_base_patch32: vit('base', 32),
  vit_large_patch14: vit('large', 14),
  vit_large_patch16: vit('large', 16),
  vit_large_patch32: vit('large', 32),
  vit_huge_patch14: vit('huge', 14),
  vit_giant_patch14: vit('giant', 14),
  vit_gigantic_patch14: vit('gigantic', 14),
  vit_base_patch16_224_miil: vit('base', 16, noQkvBias),
  vit_base_patch16_plus: vit('plus', 16, layerScale),
  vit_base_patch32_plus: vit('plus', 32, layerScale),
  vit_small_patch16_36x1: vit([384, 36, 6, 4], 16, layerScale),
  vit_intern300m_patch14: vit('large', 14, layerScale, noFinalNorm),
  vit_small_patch14_dinov2: vit('small', 14, layerScale),
  vit_base_patch14_dinov2: vit('base', 14, layerScale),
  vit_large_patch14_dinov2: vit('large', 14, layerScale),
  vit_giant_patch14_dinov2: vit('giantDinov2', 14, layerScale, swiglu),
  vit_small_patch14_reg4_dinov2: vit('small', 14, dinov2Registers(4)),
  vit_base_patch14_reg4_dinov2: vit('base', 14, dinov2Registers(4)),
  vit_large_patch14_reg4_dinov2: vit('large', 14, dinov2Registers(4)),
  vit_giant_patch14_reg4_dinov2: vit('giantDinov2', 14, dinov2Registers(4), swiglu),
  vit_base_patch14_reg1_tipsv2: vit('base', 14, dinov2Registers(1)),
  vit_large_patch14_reg1_tipsv2: vit('large', 14, dinov2Registers(1)),
  vit_so400m_patch14_reg1_tipsv2: vit([1152, 27, 16, 4304 / 1152], 14, dinov2Registers(1)),
  vit_giant_patch14_reg1_tipsv2: vit('giantDinov2', 14, dinov2Registers(1), swiglu),
  vit_xsmall_patch16_clip: vit('xsmall', 16, clip),
  vit_medium_patch16_clip: vit('medium', 16, clip),
  vit_medium_patch32_clip: vit('medium', 32, clip),
  vit_betwixt_patch32_clip: vit('betwixt', 32, clip),
  vit_base_patch16_clip: vit('base', 16, clip),
  vit_base_patch32_clip: vit('base', 32, clip),
  vit_base_patch16_plus_clip: vit('plus', 16, clip),
  vit_large_patch14_clip: vit('large', 14, clip),
  vit_huge_patch14_clip: vit('huge', 14, clip),
  vit_giant_patch14_clip: vit('giant', 14, clip),
  vit_gigantic_patch14_clip: vit('gigantic', 14, clip),
  vit_base_patch16_clip_quickgelu: vit('base', 16, clip, quickGelu),
  vit_base_patch32_clip_quickgelu: vit('base', 32, clip, quickGelu),
  vit_large_patch14_clip_quickgelu: vit('large', 14, clip, quickGelu),
  vit_huge_patch14_clip_quickgelu: vit('huge', 14, clip, quickGelu),
  vit_gigantic_patch14_clip_quickgelu: vit('gigantic', 14, clip, quickGelu),
  vit_base_patch16_siglip: vit('base', 16, attention),
  vit_base_patch32_siglip: vit('base', 32, attention, geluTanh),
  vit_large_patch16_siglip: vit('large', 16, attention),
  vit_large_patch16_siglip_512: vit('large', 16, attention, geluTanh),
  vit_so400m_patch14_siglip: vit('so400m', 14, attention),
  vit_so400m_patch16_siglip: vit('so400m', 16, attention, geluTanh),
  vit_giantopt_patch16_siglip: vit('giantopt', 16, attention, geluTanh),
  vit_base_patch16_siglip_gap: vit('base', 16, averageOfNormed),
  vit_base_patch32_siglip_gap: vit('base', 32, averageOfNormed, geluTanh),
  vit_large_patch16_siglip_gap: vit('large', 16, averageOfNormed),
  vit_large_patch16_siglip_gap_512: vit('large', 16, averageOfNormed, geluTanh),
  vit_so400m_patch14_siglip_gap: vit('so400m', 14, averageOfNormed),
  vit_so400m_patch16_siglip_gap: vit('so400m', 16, averageOfNormed, geluTanh),
  vit_giantopt_patch16_siglip_gap: vit('giantopt', 16, averageOfNormed, geluTanh),
  vit_medium_patch16_gap: vit('medium', 16, averageOfNormed, noQkvBias, layerScale),
  vit_betwixt_patch16_gap: vit('betwixt', 16, averageOfNormed, noQkvBias, layerScale),
  vit_base_patch16_gap: vit([768, 12, 16, 4], 16, averageOfNormed),
  vit_huge_patch14_gap: vit('huge', 14, averageOfNormed),
  vit_huge_patch16_gap: vit('huge', 16, averageOfNormed),
  vit_giant_patch16_gap: vit('giant', 16, averageOfNormed),
  vit_wee_patch16_reg1_gap: vit('wee', 16, registersAverage(1), layerScale),
  vit_little_patch16_reg1_gap: vit('little', 16, registersAverage(1), layerScale),
  vit_little_patch16_reg4_gap: vit('little', 16, registersAverage(4), layerScale),
  vit_medium_patch16_reg1_gap: vit('medium', 16, registersAverage(1), layerScale),
  vit_medium_patch16_reg4_gap: vit('medium', 16, registersAverage(4), layerScale),
  vit_mediumd_patch16_reg4_gap: vit('mediumd', 16, registersAverage(4), layerScale),
  vit_betwixt_patch16_reg1_gap: vit('betwixt', 16, registersAverage(1), layerScale),
  vit_betwixt_patch16_reg4_gap: vit('betwixt', 16, registersAverage(4), layerScale),
  vit_base_patch16_reg4_gap: vit('base', 16, registersAverage(4)),
  vit_so150m_patch16_reg4_gap: vit('so150m', 16, averageOfNormed, registers(4)),
  vit_so150m_patch16_reg4_map: vit('so150m', 16, attention, registers(4)),
  vit_so150m2_patch16_reg1_gap: vit('so150m2', 16, average, registers(1), layerScale, noQkvBias),
};

/** The settings that a name of timm's implies; `undefined` for one that is not known here. */
export function timmSettings(name: string): TimmSettings | undefined {
  const known = (key: string) => (Object.hasOwn(architectures, key) ? architectures[key] : undefined);
  return known(name) ?? known(name.replace(/_\d+$/, ''));
}

/** A plain Vision Transformer of timm's default size. */
export const defaultTimmSettings: TimmSettings = vit('base', 16);
