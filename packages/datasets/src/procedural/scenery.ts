import type { RandomStream } from '@kora-bench/core';
import { type Canvas, type Material, type Pose, paintBackground, paintShape, type Shape } from './canvas.js';
import { type Rgb, randomColour } from './colour.js';
import { clamp01 } from './portable-math.js';
import { between, chance, choose } from './random-choice.js';
import { TEXTURES, type TextureName } from './texture.js';

/** A material with random phase and lattice; `frequency` is drawn from ±20 % around the given one. */
export function randomMaterial(
  random: RandomStream,
  texture: TextureName,
  colours: readonly [Rgb, Rgb],
  frequency: number,
  relief = 0,
): Material {
  return {
    texture: TEXTURES[texture],
    colours,
    frequency: frequency * between(random, 0.8, 1.2),
    phase: [random.uniform() * 8, random.uniform() * 8],
    salt: random.nextUint32(),
    relief: [relief * between(random, -1, 1), relief * between(random, -1, 1)],
  };
}

/** Two random colours `contrast` apart in brightness around `middle`; either may be the darker. */
export function colourPair(random: RandomStream, middle: number, contrast: number): [Rgb, Rgb] {
  const half = (chance(random, 0.5) ? 0.5 : -0.5) * contrast;
  return [
    randomColour(random, clamp01(middle - half) * 0.94 + 0.03),
    randomColour(random, clamp01(middle + half) * 0.94 + 0.03),
  ];
}

/** A textured background of random colours, orientation and scale around a mean brightness. */
export function randomBackground(
  canvas: Canvas,
  random: RandomStream,
  textures: readonly TextureName[],
  middle: number,
): void {
  const colours = colourPair(random, middle, between(random, 0.04, 0.24));
  const material = randomMaterial(random, choose(random, textures), colours, between(random, 1.5, 5), 0.15);
  paintBackground(canvas, material, random.uniform());
}

/** The brightness of what lies behind an object that is lighter (+1) or darker (−1) than it. */
export function brightnessBehind(random: RandomStream, polarity: -1 | 1): number {
  return 0.5 - polarity * between(random, 0.1, 0.38);
}

/** A brightness at least `gap` away from `other`, on either side where there is room. */
export function brightnessApart(random: RandomStream, other: number, gap: number): number {
  const darker = Math.max(0, other - gap);
  const lighter = Math.max(0, 1 - other - gap);
  const at = random.uniform() * (darker + lighter);
  return at < darker ? at : other + gap + at - darker;
}

/** The dark, soft copy of a shape thrown on what lies behind it. */
export function dropShadow(canvas: Canvas, shape: Shape, pose: Pose, dx: number, dy: number): void {
  const black: Rgb = [0.03, 0.03, 0.05];
  const material: Material = {
    texture: TEXTURES.plain,
    colours: [black, black],
    frequency: 1,
    phase: [0, 0],
    salt: 0,
  };
  paintShape(canvas, shape, { ...pose, x: pose.x + dx, y: pose.y + dy }, material, {
    opacity: 0.5,
    softness: 0.12,
  });
}
