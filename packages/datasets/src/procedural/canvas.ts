import type { Rgb } from './colour.js';
import { clamp01, cosTurns, sinTurns } from './portable-math.js';
import type { Texture } from './texture.js';

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

/** How a shape is laid on the canvas. */
export interface PaintOptions {
  /** 0 (nothing to see) to 1 (the default). */
  readonly opacity?: number;
  /** Width of the border's transition in scene units; a pixel (exact anti-aliasing) at least. */
  readonly softness?: number;
}

/** Lays a shape over the canvas. Coverage of border pixels follows the distance to the border. */
export function paintShape(
  canvas: Canvas,
  shape: Shape,
  pose: Pose,
  material: Material,
  options: PaintOptions = {},
): void {
  const { opacity = 1, softness = 0 } = options;
  const { width, height, pixel, left, top, rgb } = canvas;
  const aspect = pose.aspect ?? 1;
  const cos = cosTurns(pose.turns);
  const sin = sinTurns(pose.turns);
  const edge = Math.max(pixel, softness);
  const reach = shape.radius * pose.scale * Math.max(1, aspect) + edge;
  const fromColumn = Math.max(0, Math.floor((pose.x - reach - left) / pixel));
  const toColumn = Math.min(width - 1, Math.ceil((pose.x + reach - left) / pixel));
  const fromRow = Math.max(0, Math.floor((pose.y - reach - top) / pixel));
  const toRow = Math.min(height - 1, Math.ceil((pose.y + reach - top) / pixel));
  const { texture, frequency, phase, salt, relief } = material;
  const [a, b] = material.colours;
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
