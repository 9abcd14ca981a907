import type { Canvas } from './canvas.js';
import type { Rgb } from './colour.js';
import { clamp01 } from './portable-math.js';

export type Point = readonly [x: number, y: number];

/** A line from one point to another, bent sideways by `bend` of its length (a parabola). */
export interface Stroke {
  readonly from: Point;
  readonly to: Point;
  readonly bend: number;
}

/** The distance of every pixel `[H, W]` to the nearest stroke, exact up to `REACH`. */
export interface StrokeLayer {
  readonly canvas: Canvas;
  readonly distance: Float64Array;
}

/** Half the width of the widest line that can be inked, in scene units. */
const REACH = 0.16;
const PIECES = 6;

export function createStrokeLayer(canvas: Canvas): StrokeLayer {
  return { canvas, distance: new Float64Array(canvas.width * canvas.height).fill(9) };
}

/** Adds a stroke in scene coordinates; a bent one becomes a chain of straight pieces. */
export function drawStroke(layer: StrokeLayer, { from, to, bend }: Stroke): void {
  const pieces = bend > -0.03 && bend < 0.03 ? 1 : PIECES;
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
  const fromColumn = Math.max(0, Math.ceil((Math.min(ax, bx) - REACH - left) / pixel));
  const toColumn = Math.min(width - 1, Math.floor((Math.max(ax, bx) + REACH - left) / pixel));
  const fromRow = Math.max(0, Math.ceil((Math.min(ay, by) - REACH - top) / pixel));
  const toRow = Math.min(height - 1, Math.floor((Math.max(ay, by) + REACH - top) / pixel));
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
export interface Pen {
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
