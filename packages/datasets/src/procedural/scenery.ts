import type { RandomStream } from '@kora-bench/core/random';
import { between, chance, choose, clamp01, cosTurns, sinTurns } from './arithmetic.js';
import { type Canvas, type Material, type Pose, paintBackground, paintShape, type Shape } from './canvas.js';
import { allTextures, type Rgb, randomColour, type TextureName } from './materials.js';

/** A material with random phase and lattice; `frequency` is drawn from ±20 % around the given one. */
export function randomMaterial(
  random: RandomStream,
  texture: TextureName,
  colours: readonly [Rgb, Rgb],
  { frequency, relief = 0 }: { readonly frequency: number; readonly relief?: number },
): Material {
  return {
    texture: allTextures[texture],
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
  const material = randomMaterial(random, choose(random, textures), colours, {
    frequency: between(random, 1.5, 5),
    relief: 0.15,
  });
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
export function dropShadow(
  canvas: Canvas,
  shape: Shape,
  pose: Pose,
  [dx, dy]: readonly [dx: number, dy: number],
): void {
  const black: Rgb = [0.03, 0.03, 0.05];
  paintShape(
    canvas,
    shape,
    { ...pose, x: pose.x + dx, y: pose.y + dy },
    {
      texture: allTextures.plain,
      colours: [black, black],
      frequency: 1,
      phase: [0, 0],
      salt: 0,
      opacity: 0.5,
      softness: 0.12,
    },
  );
}

/** Vertices of a closed polygon as x0, y0, x1, y1, … */
type Vertices = readonly number[];

/** The exact signed distance to a simple polygon: nearest edge, sign by crossing parity. */
function polygon(vertices: Vertices): Shape {
  const count = vertices.length / 2;
  const points = Float64Array.from(vertices);
  let radius2 = 0;
  for (let i = 0; i < count; i++) {
    radius2 = Math.max(radius2, points[2 * i]! * points[2 * i]! + points[2 * i + 1]! * points[2 * i + 1]!);
  }
  const distance = (u: number, v: number) => {
    let nearest = Number.POSITIVE_INFINITY;
    let inside = false;
    let ax = points[2 * count - 2]!;
    let ay = points[2 * count - 1]!;
    for (let i = 0; i < count; i++) {
      const bx = points[2 * i]!;
      const by = points[2 * i + 1]!;
      const ex = bx - ax;
      const ey = by - ay;
      const px = u - ax;
      const py = v - ay;
      const along = clamp01((px * ex + py * ey) / (ex * ex + ey * ey));
      const dx = px - along * ex;
      const dy = py - along * ey;
      const d2 = dx * dx + dy * dy;
      if (d2 < nearest) nearest = d2;
      if (ay > v !== by > v && px * ey * (ey > 0 ? 1 : -1) < py * ex * (ey > 0 ? 1 : -1)) inside = !inside;
      ax = bx;
      ay = by;
    }
    const d = Math.sqrt(nearest);
    return inside ? -d : d;
  };
  return { distance, radius: Math.sqrt(radius2) };
}

function regular(corners: number, inner = 1, phase = 0): Shape {
  const vertices: number[] = [];
  const steps = inner === 1 ? corners : 2 * corners;
  for (let i = 0; i < steps; i++) {
    const r = inner === 1 || i % 2 === 0 ? 1 : inner;
    vertices.push(r * sinTurns(i / steps + phase), -r * cosTurns(i / steps + phase));
  }
  return polygon(vertices);
}

/** First-order signed distance to an ellipse with half-axes 1 and `b`. */
export function ellipse(b: number): Shape {
  return {
    distance: (u, v) => {
      const vb = v / b;
      const k = Math.sqrt(u * u + vb * vb);
      const slope = Math.sqrt(u * u + (vb / b) * (vb / b));
      return slope < 1e-9 ? -b : (k * (k - 1)) / slope;
    },
    radius: Math.max(1, b),
  };
}

/** An annulus between the radii `inner` and 1. */
function annulus(inner: number): Shape {
  const middle = (1 + inner) / 2;
  return { distance: (u, v) => Math.abs(Math.sqrt(u * u + v * v) - middle) - (1 - inner) / 2, radius: 1 };
}

function crescent(): Shape {
  const distance = (u: number, v: number) => {
    const w = v + 0.5;
    return Math.max(Math.sqrt(u * u + v * v) - 1, 0.8 - Math.sqrt(u * u + w * w));
  };
  return { distance, radius: 1 };
}

/** The simple shapes of the assemblies, each within about unit distance of its origin. */
export const primitives = {
  disc: ellipse(1),
  oval: ellipse(0.55),
  ring: annulus(0.55),
  crescent: crescent(),
  triangle: regular(3),
  square: regular(4, 1, 0.125),
  slab: polygon([-1, -0.38, 1, -0.38, 1, 0.38, -1, 0.38]),
  hexagon: regular(6),
  star: regular(5, 0.42),
  burst: regular(8, 0.66),
  cross: polygon([
    -0.32, -1, 0.32, -1, 0.32, -0.32, 1, -0.32, 1, 0.32, 0.32, 0.32, 0.32, 1, -0.32, 1, -0.32, 0.32, -1, 0.32,
    -1, -0.32, -0.32, -0.32,
  ]),
  arrow: polygon([0, -1, 0.85, -0.05, 0.34, -0.05, 0.34, 0.9, -0.34, 0.9, -0.34, -0.05, -0.85, -0.05]),
  bracket: polygon([-0.75, -0.85, -0.2, -0.85, -0.2, 0.3, 0.8, 0.3, 0.8, 0.85, -0.75, 0.85]),
  wedge: polygon([-0.95, 0.55, -0.5, -0.55, 0.5, -0.55, 0.95, 0.55]),
} as const satisfies Record<string, Shape>;

export type PrimitiveName = keyof typeof primitives;

export const primitiveNames = Object.keys(primitives) as readonly PrimitiveName[];
