import { type RandomStream, randomStream } from '@kora-bench/core/random';
import { between, chance, choose, cosTurns, sinTurns } from './arithmetic.js';
import {
  type Canvas,
  createCanvas,
  type ExposureRange,
  expose,
  type Pose,
  paintShape,
  type Shape,
  type View,
} from './canvas.js';
import type { ProceduralFamily, RenderedImage } from './family.js';
import { type TextureName, textureNames } from './materials.js';
import {
  brightnessApart,
  colourPair,
  dropShadow,
  ellipse,
  randomBackground,
  randomMaterial,
} from './scenery.js';

const silhouetteCount = 32;
const texturesPerSilhouette = 8;
const arrangements = ['solid', 'holed', 'rimmed', 'twin'] as const;
const firstHarmonic = 2;
const lastHarmonic = 7;
const candidateCount = 600;

/** Quiet grounds come more often: from busy ones alone, a small model learns too slowly to be of use. */
const backgroundTextures: readonly TextureName[] = [
  'plain',
  'plain',
  'plain',
  'clouds',
  'clouds',
  'stripes',
  'cells',
  'speckle',
];
const exposure: ExposureRange = { gradient: 0.2, cast: 0.06, contrast: 0.8, noise: 0.025 };

interface BlobClass {
  readonly name: string;
  readonly silhouette: Shape;
  readonly texture: TextureName;
  readonly arrangement: (typeof arrangements)[number];
}

/**
 * The pre-training family: one closed curve of six Fourier harmonics, filled with a texture. A class
 * is a silhouette (of 32) with a texture (of 16) and an arrangement (solid, with a hole, with a rim,
 * with a smaller twin), so that a model must learn outline, texture and layout to tell 256 of them
 * apart.
 * Colour, brightness, pose, background and clutter are random.
 */
export function pretrainFamily(seed: number): ProceduralFamily {
  const classes = blobClasses(seed);
  return {
    target: 'label',
    classNames: classes.map((c) => c.name),
    render: (label, random, view) => renderBlob(classes, classes[label]!, random, view),
  };
}

function blobClasses(seed: number): readonly BlobClass[] {
  const silhouettes = distinctSilhouettes(randomStream(seed, 'procedural-pretrain/silhouettes'));
  const classes: BlobClass[] = [];
  for (const [i, silhouette] of silhouettes.entries()) {
    for (let j = 0; j < texturesPerSilhouette; j++) {
      // Every texture falls to half of the silhouettes and every arrangement to a quarter of each.
      const texture = textureNames[(2 * j + (i % 2)) % textureNames.length]!;
      const arrangement = arrangements[(j + (i >> 1)) % arrangements.length]!;
      const name = `blob${String(i).padStart(2, '0')}-${arrangement}-${texture}`;
      classes.push({ name, silhouette, texture, arrangement });
    }
  }
  return classes.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Farthest-point sampling among random candidates by the harmonics' amplitudes, which don't change
 * when a curve is rotated.
 */
function distinctSilhouettes(random: RandomStream): readonly Shape[] {
  const harmonics = lastHarmonic - firstHarmonic + 1;
  const candidates = Array.from({ length: candidateCount }, () => {
    const a = new Float64Array(harmonics);
    const b = new Float64Array(harmonics);
    const loudest = random.uniformInt(harmonics);
    for (let i = 0; i < harmonics; i++) {
      const amplitude = (i === loudest ? 0.34 : 0.16 * random.uniform()) / (1 + 0.12 * i);
      const phase = random.uniform();
      a[i] = amplitude * cosTurns(phase);
      b[i] = amplitude * sinTurns(phase);
    }
    return { a, b, spectrum: a.map((x, i) => Math.sqrt(x * x + b[i]! * b[i]!)) };
  });
  const chosen = [candidates[0]!];
  const nearest = candidates.map(() => Number.POSITIVE_INFINITY);
  while (chosen.length < silhouetteCount) {
    const last = chosen[chosen.length - 1]!.spectrum;
    let farthest = 0;
    for (const [i, candidate] of candidates.entries()) {
      const d = candidate.spectrum.reduce((sum, x, k) => sum + (x - last[k]!) * (x - last[k]!), 0);
      nearest[i] = Math.min(nearest[i]!, d);
      if (nearest[i]! > nearest[farthest]!) farthest = i;
    }
    chosen.push(candidates[farthest]!);
  }
  return chosen.map(({ a, b }) => fourierCurve(a, b));
}

/** The region r(θ) < R · (1 + Σ aₖ cos kθ + bₖ sin kθ), k = 2 … 7, with R so that it has unit radius. */
function fourierCurve(a: Float64Array, b: Float64Array): Shape {
  const raw = (c: number, s: number) => {
    // (c + i·s)ᵏ by repeated multiplication: no angle is ever needed.
    let re = c;
    let im = s;
    let r = 1;
    let slope = 0;
    for (let i = 0; i < a.length; i++) {
      const next = re * c - im * s;
      im = re * s + im * c;
      re = next;
      r += a[i]! * re + b[i]! * im;
      slope += (i + firstHarmonic) * (b[i]! * re - a[i]! * im);
    }
    return [r, slope] as const;
  };
  let largest = 0;
  for (let i = 0; i < 128; i++) largest = Math.max(largest, raw(cosTurns(i / 128), sinTurns(i / 128))[0]);
  const distance = (u: number, v: number) => {
    const rho = Math.sqrt(u * u + v * v);
    if (rho > 1.3) return rho - 1.05;
    if (rho < 1e-6) return -0.5;
    const [r, slope] = raw(u / rho, v / rho);
    const steepness = slope / (largest * Math.max(rho, 0.3));
    return (rho - r / largest) / Math.sqrt(1 + steepness * steepness);
  };
  return { distance, radius: 1.05 };
}

function renderBlob(
  classes: readonly BlobClass[],
  kind: BlobClass,
  random: RandomStream,
  view: View,
): RenderedImage {
  const canvas = createCanvas(view);
  const behind = between(random, 0.15, 0.85);
  randomBackground(canvas, random, backgroundTextures, behind);
  for (let i = random.uniformInt(2); i > 0; i--) clutter(canvas, classes, random);
  const scale = between(random, 0.7, 0.95);
  const room = 0.5 * (1.1 - scale);
  const pose: Pose = {
    x: between(random, -room, room),
    y: between(random, -room, room),
    scale,
    turns: 0.03 * random.normal(),
    aspect: between(random, 0.88, 1.13),
  };
  const shadow = 0.12 * random.uniform();
  if (chance(random, 0.5)) dropShadow(canvas, kind.silhouette, pose, [shadow, shadow]);
  blob(canvas, random, kind, { pose, behind });
  if (kind.arrangement === 'twin') {
    const side = chance(random, 0.5) ? 1 : -1;
    const twin = { ...pose, x: pose.x - side * 0.62 * scale, y: pose.y + 0.66 * scale, scale: 0.5 * scale };
    blob(canvas, random, kind, { pose: twin, behind });
  }
  return { pixels: expose(canvas, random, exposure) };
}

/** A blob of its class, lighter or darker than the brightness behind it. */
function blob(
  canvas: Canvas,
  random: RandomStream,
  kind: BlobClass,
  { pose, behind }: { readonly pose: Pose; readonly behind: number },
): void {
  const middle = brightnessApart(random, behind, 0.28);
  const colours = colourPair(random, middle, between(random, 0.3, 0.6));
  const material = randomMaterial(random, kind.texture, colours, { frequency: 3, relief: 0.25 });
  if (kind.arrangement === 'holed') {
    const { distance } = kind.silhouette;
    const holed = (u: number, v: number) => Math.max(distance(u, v), 0.36 - Math.sqrt(u * u + v * v));
    paintShape(canvas, { distance: holed, radius: kind.silhouette.radius }, pose, material);
    return;
  }
  if (kind.arrangement === 'rimmed') {
    const rim = randomMaterial(random, 'plain', colourPair(random, 1 - middle, 0.1), { frequency: 1 });
    paintShape(canvas, kind.silhouette, pose, rim);
    const { distance } = kind.silhouette;
    const inner = (u: number, v: number) => distance(u, v) + 0.17;
    paintShape(canvas, { distance: inner, radius: kind.silhouette.radius }, pose, material);
    return;
  }
  paintShape(canvas, kind.silhouette, pose, material);
}

/** A small ellipse or a small other silhouette in any colour. */
function clutter(canvas: Canvas, classes: readonly BlobClass[], random: RandomStream): void {
  const shape = chance(random, 0.5) ? ellipse(0.6) : choose(random, classes).silhouette;
  const colours = colourPair(random, random.uniform(), 0.4);
  const material = randomMaterial(random, choose(random, backgroundTextures), colours, { frequency: 3 });
  const pose: Pose = {
    x: between(random, -1, 1),
    y: between(random, -1, 1),
    scale: between(random, 0.07, 0.18),
    turns: random.uniform(),
  };
  paintShape(canvas, shape, pose, material);
}
