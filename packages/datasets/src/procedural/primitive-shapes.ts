import type { Shape } from './canvas.js';
import { clamp01, cosTurns, sinTurns } from './portable-math.js';

/** Vertices of a closed polygon as x0, y0, x1, y1, … */
type Vertices = readonly number[];

/** The exact signed distance to a simple polygon: nearest edge, sign by crossing parity. */
export function polygon(vertices: Vertices): Shape {
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
export function annulus(inner: number): Shape {
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
export const PRIMITIVES = {
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

export type PrimitiveName = keyof typeof PRIMITIVES;

export const PRIMITIVE_NAMES = Object.keys(PRIMITIVES) as readonly PrimitiveName[];
