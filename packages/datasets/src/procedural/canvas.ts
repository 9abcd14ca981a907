import type { RandomStream } from '@kora-bench/core/random';
import { clamp01, cosTurns, hashNormal, latticeHash, sinTurns } from './arithmetic.js';
import type { Rgb, Texture } from './materials.js';

/**
 * The part of the scene plane to render and the size of the picture. The scene's frame is the square
 * [−1, 1]² with y downwards; a picture shows |x|, |y| ≤ `extent` on its longer side.
 */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly extent: number;
}

/** A picture in progress. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** Width of a pixel in scene units. */
  readonly pixel: number;
  /** Scene coordinates of the centre of the top left pixel. */
  readonly left: number;
  readonly top: number;
  /** Colours `[H, W, 3]`, nominally in [0, 1]. */
  readonly rgb: Float64Array;
}

/** Where an object stands in the scene: its own coordinates are rotated, stretched and moved. */
export interface Pose {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  /** Rotation in turns, clockwise on the picture. */
  readonly turns: number;
  /** Ratio of the height to the width. */
  readonly aspect?: number;
}

/** Two colours and the texture that blends them. */
export interface Material {
  readonly texture: Texture;
  readonly colours: readonly [Rgb, Rgb];
  /** Texture periods per unit of the object's own coordinates. */
  readonly frequency: number;
  readonly phase: readonly [number, number];
  readonly salt: number;
  /** Change of brightness along the object's own axes: a cheap relief. */
  readonly relief?: readonly [number, number];
}

/** A region of the plane by the signed distance to its border, negative inside. */
export interface Shape {
  distance(u: number, v: number): number;
  /** The region lies within this distance of the origin. */
  readonly radius: number;
}

export function createCanvas(view: View): Canvas {
  const pixel = (2 * view.extent) / Math.max(view.width, view.height);
  return {
    width: view.width,
    height: view.height,
    pixel,
    left: (-(view.width - 1) / 2) * pixel,
    top: (-(view.height - 1) / 2) * pixel,
    rgb: new Float64Array(view.width * view.height * 3),
  };
}

/** Covers the whole canvas with a material whose own coordinates are rotated by `turns`. */
export function paintBackground(canvas: Canvas, material: Material, turns: number): void {
  const everywhere: Shape = { distance: () => -9, radius: 9 };
  paintShape(canvas, everywhere, { x: 0, y: 0, scale: 1, turns }, material);
}

/** A material and how it is laid on the canvas. */
export interface Paint extends Material {
  /** 0 (nothing to see) to 1 (the default). */
  readonly opacity?: number;
  /** Width of the border's transition in scene units; a pixel (exact anti-aliasing) at least. */
  readonly softness?: number;
}

/** Lays a shape over the canvas. Coverage of border pixels follows the distance to the border. */
export function paintShape(canvas: Canvas, shape: Shape, pose: Pose, paint: Paint): void {
  const { opacity = 1, softness = 0 } = paint;
  const { width, pixel, left, top, rgb } = canvas;
  const aspect = pose.aspect ?? 1;
  const cos = cosTurns(pose.turns);
  const sin = sinTurns(pose.turns);
  const edge = Math.max(pixel, softness);
  const { fromColumn, toColumn, fromRow, toRow } = reachOf(canvas, shape, pose, edge);
  const { texture, frequency, phase, salt, relief } = paint;
  const [a, b] = paint.colours;
  const footprint = (pixel / pose.scale) * frequency;
  const outside = shape.radius + edge / pose.scale / Math.min(1, aspect);
  const distanceScale = pose.scale * Math.min(1, aspect);
  for (let row = fromRow; row <= toRow; row++) {
    const y = top + row * pixel - pose.y;
    for (let column = fromColumn; column <= toColumn; column++) {
      const x = left + column * pixel - pose.x;
      const u = (cos * x + sin * y) / pose.scale;
      const v = (cos * y - sin * x) / (pose.scale * aspect);
      if (u * u + v * v > outside * outside) continue;
      const coverage = clamp01(0.5 - (shape.distance(u, v) * distanceScale) / edge) * opacity;
      if (coverage === 0) continue;
      const t = texture(u * frequency + phase[0], v * frequency + phase[1], footprint, salt);
      const light = relief === undefined ? 1 : 1 + relief[0] * u + relief[1] * v;
      const at = 3 * (row * width + column);
      for (let c = 0; c < 3; c++) {
        const colour = (a[c]! + (b[c]! - a[c]!) * t) * light;
        const under = rgb[at + c]!;
        rgb[at + c] = under + (colour - under) * coverage;
      }
    }
  }
}

/** Visits the pixels whose centres lie inside a shape: `visit` gets their places `[H, W]`. */
export function markShape(canvas: Canvas, shape: Shape, pose: Pose, visit: (pixel: number) => void): void {
  const { width, pixel, left, top } = canvas;
  const aspect = pose.aspect ?? 1;
  const cos = cosTurns(pose.turns);
  const sin = sinTurns(pose.turns);
  const { fromColumn, toColumn, fromRow, toRow } = reachOf(canvas, shape, pose, pixel);
  for (let row = fromRow; row <= toRow; row++) {
    const y = top + row * pixel - pose.y;
    for (let column = fromColumn; column <= toColumn; column++) {
      const x = left + column * pixel - pose.x;
      const u = (cos * x + sin * y) / pose.scale;
      const v = (cos * y - sin * x) / (pose.scale * aspect);
      if (shape.distance(u, v) < 0) visit(row * width + column);
    }
  }
}

/** The rows and columns that a shape and its edge may touch. */
function reachOf(canvas: Canvas, shape: Shape, pose: Pose, edge: number) {
  const { width, height, pixel, left, top } = canvas;
  const reach = shape.radius * pose.scale * Math.max(1, pose.aspect ?? 1) + edge;
  return {
    fromColumn: Math.max(0, Math.floor((pose.x - reach - left) / pixel)),
    toColumn: Math.min(width - 1, Math.ceil((pose.x + reach - left) / pixel)),
    fromRow: Math.max(0, Math.floor((pose.y - reach - top) / pixel)),
    toRow: Math.min(height - 1, Math.ceil((pose.y + reach - top) / pixel)),
  };
}

export type Point = readonly [x: number, y: number];

/** A line from one point to another, bent sideways by `bend` of its length (a parabola). */
export interface Stroke {
  readonly from: Point;
  readonly to: Point;
  readonly bend: number;
}

/** The distance of every pixel `[H, W]` to the nearest stroke, exact up to `strokeReach`. */
interface StrokeLayer {
  readonly canvas: Canvas;
  readonly distance: Float64Array;
}

/** Half the width of the widest line that can be inked, in scene units. */
const strokeReach = 0.16;
const piecesOfBentStroke = 6;

export function createStrokeLayer(canvas: Canvas): StrokeLayer {
  return { canvas, distance: new Float64Array(canvas.width * canvas.height).fill(9) };
}

/** Adds a stroke in scene coordinates; a bent one becomes a chain of straight pieces. */
export function drawStroke(layer: StrokeLayer, { from, to, bend }: Stroke): void {
  const pieces = bend > -0.03 && bend < 0.03 ? 1 : piecesOfBentStroke;
  const nx = -(to[1] - from[1]);
  const ny = to[0] - from[0];
  let last = from;
  for (let i = 1; i <= pieces; i++) {
    const t = i / pieces;
    const side = 4 * bend * t * (1 - t);
    const next: Point = [
      from[0] + (to[0] - from[0]) * t + nx * side,
      from[1] + (to[1] - from[1]) * t + ny * side,
    ];
    drawPiece(layer, last, next);
    last = next;
  }
}

function drawPiece({ canvas, distance }: StrokeLayer, [ax, ay]: Point, [bx, by]: Point): void {
  const { width, height, pixel, left, top } = canvas;
  const fromColumn = Math.max(0, Math.ceil((Math.min(ax, bx) - strokeReach - left) / pixel));
  const toColumn = Math.min(width - 1, Math.floor((Math.max(ax, bx) + strokeReach - left) / pixel));
  const fromRow = Math.max(0, Math.ceil((Math.min(ay, by) - strokeReach - top) / pixel));
  const toRow = Math.min(height - 1, Math.floor((Math.max(ay, by) + strokeReach - top) / pixel));
  const ex = bx - ax;
  const ey = by - ay;
  const length2 = ex * ex + ey * ey + 1e-12;
  for (let row = fromRow; row <= toRow; row++) {
    const py = top + row * pixel - ay;
    for (let column = fromColumn; column <= toColumn; column++) {
      const px = left + column * pixel - ax;
      const along = clamp01((px * ex + py * ey) / length2);
      const dx = px - along * ex;
      const dy = py - along * ey;
      const d = Math.sqrt(dx * dx + dy * dy);
      const at = row * width + column;
      if (d < distance[at]!) distance[at] = d;
    }
  }
}

/** The pen: full width of the line and of its bare core in scene units, and how well it covers. */
interface Pen {
  readonly width: number;
  readonly core: number;
  readonly opacity: number;
}

/** Colours the canvas along the strokes of a layer. */
export function inkStrokes(canvas: Canvas, layer: StrokeLayer, colour: Rgb, pen: Pen): void {
  const { rgb, pixel } = canvas;
  for (let i = 0; i < layer.distance.length; i++) {
    const d = layer.distance[i]!;
    const covered = clamp01(0.5 + (pen.width / 2 - d) / pixel);
    if (covered === 0) continue;
    const bare = pen.core === 0 ? 0 : clamp01(0.5 + (pen.core / 2 - d) / pixel);
    const coverage = covered * (1 - bare) * pen.opacity;
    for (let c = 0; c < 3; c++) {
      const under = rgb[3 * i + c]!;
      rgb[3 * i + c] = under + (colour[c]! - under) * coverage;
    }
  }
}

/** How strongly the conditions of a picture vary within a family. */
export interface ExposureRange {
  /** Largest change of brightness from the centre to a border. */
  readonly gradient: number;
  /** Standard deviation of the colour cast's channel gains. */
  readonly cast: number;
  /** Lowest contrast; 1 is the scene's own. */
  readonly contrast: number;
  /** Largest standard deviation of the noise, of a full scale of 1. */
  readonly noise: number;
}

/**
 * The camera: a random lighting gradient, colour cast, contrast, brightness and noise, then rounding
 * to bytes `[H, W, 3]`. The noise is drawn per output pixel, as a sensor's is.
 */
export function expose(canvas: Canvas, random: RandomStream, range: ExposureRange): Uint8Array {
  const { width, height, pixel, left, top, rgb } = canvas;
  const gx = range.gradient * (2 * random.uniform() - 1);
  const gy = range.gradient * (2 * random.uniform() - 1);
  const contrast = range.contrast + (1.1 - range.contrast) * random.uniform();
  const brightness = 0.5 + 0.12 * (2 * random.uniform() - 1);
  const gains = [0, 1, 2].map(() => contrast * (1 + range.cast * random.normal()));
  const offset = brightness - 0.5 * contrast;
  const noise = range.noise * (0.15 + 0.85 * random.uniform());
  const salt = random.nextUint32();
  const bytes = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const vertical = 1 + gy * (top + row * pixel);
    for (let column = 0; column < width; column++) {
      const light = vertical + gx * (left + column * pixel);
      const at = 3 * (row * width + column);
      for (let c = 0; c < 3; c++) {
        const grain = noise * hashNormal(latticeHash(3 * column + c, row, salt));
        const value = 255 * (rgb[at + c]! * light * gains[c]! + offset + grain) + 0.5;
        bytes[at + c] = value < 0 ? 0 : value > 255 ? 255 : Math.floor(value);
      }
    }
  }
  return bytes;
}
