import type { Rgb, Texture } from './materials.js';

/** Metres, y upwards, z away from the camera. */
export type Vector = readonly [x: number, y: number, z: number];

/** How a surface looks: a texture in metres blending two colours. */
export interface Surface {
  readonly texture: Texture;
  readonly colours: readonly [Rgb, Rgb];
  /** Texture periods per metre. */
  readonly frequency: number;
  readonly salt: number;
}

/** The plane y = 0. */
export interface Ground {
  readonly kind: 'ground';
  readonly surface: Surface;
}

export interface Sphere {
  readonly kind: 'sphere';
  readonly centre: Vector;
  readonly radius: number;
  readonly surface: Surface;
}

/** An upright box, turned about the vertical by an angle of which `cos` and `sin` are given. */
export interface Box {
  readonly kind: 'box';
  readonly centre: Vector;
  /** Half the width, height and length. */
  readonly half: Vector;
  readonly cos: number;
  readonly sin: number;
  readonly surface: Surface;
}

/** An upright cylinder with flat ends. */
export interface Cylinder {
  readonly kind: 'cylinder';
  readonly centre: Vector;
  readonly radius: number;
  readonly halfHeight: number;
  readonly surface: Surface;
}

export type Solid = Ground | Sphere | Box | Cylinder;

/** Where a ray first meets a scene. */
export interface RayHit {
  /** Index of the solid, −1 where the ray meets nothing. */
  solid: number;
  /** The ray's parameter: the point is origin + t · direction. Infinite where nothing is met. */
  t: number;
  /** Outward unit normal. */
  nx: number;
  ny: number;
  nz: number;
}

/** Rays that start on a surface must not meet it again. */
const nearestHit = 1e-6;

export function noHit(): RayHit {
  return { solid: -1, t: Number.POSITIVE_INFINITY, nx: 0, ny: 0, nz: 0 };
}

/**
 * Writes the first intersection of a ray with the solids into `hit` by the closed forms of plane,
 * sphere, slab-wise box and cylinder: the distance is exact to rounding.
 */
export function castRay(solids: readonly Solid[], o: Vector, d: Vector, hit: RayHit): void {
  hit.solid = -1;
  hit.t = Number.POSITIVE_INFINITY;
  for (let i = 0; i < solids.length; i++) {
    if (hitSolid(solids[i]!, o, d, hit)) hit.solid = i;
  }
}

/** Whether anything stands in a ray's way; `scratch` is overwritten. */
export function isBlocked(solids: readonly Solid[], o: Vector, d: Vector, scratch: RayHit): boolean {
  scratch.t = Number.POSITIVE_INFINITY;
  for (let i = 0; i < solids.length; i++) {
    if (hitSolid(solids[i]!, o, d, scratch)) return true;
  }
  return false;
}

function hitSolid(solid: Solid, o: Vector, d: Vector, hit: RayHit): boolean {
  switch (solid.kind) {
    case 'ground':
      return hitGround(o, d, hit);
    case 'sphere':
      return hitSphere(solid, o, d, hit);
    case 'box':
      return hitBox(solid, o, d, hit);
    case 'cylinder':
      return hitCylinder(solid, o, d, hit);
  }
}

/** Records the intersection if it is the nearest so far and in front of the origin. */
function accept(hit: RayHit, t: number, [nx, ny, nz]: Vector): boolean {
  if (!(t > nearestHit && t < hit.t)) return false;
  hit.t = t;
  hit.nx = nx;
  hit.ny = ny;
  hit.nz = nz;
  return true;
}

function hitGround(o: Vector, d: Vector, hit: RayHit): boolean {
  return d[1] < 0 && accept(hit, -o[1] / d[1], [0, 1, 0]);
}

function hitSphere({ centre, radius }: Sphere, o: Vector, d: Vector, hit: RayHit): boolean {
  const x = o[0] - centre[0];
  const y = o[1] - centre[1];
  const z = o[2] - centre[2];
  const a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
  const b = x * d[0] + y * d[1] + z * d[2];
  const discriminant = b * b - a * (x * x + y * y + z * z - radius * radius);
  if (discriminant < 0) return false;
  const root = Math.sqrt(discriminant);
  let t = (-b - root) / a;
  if (t <= nearestHit) t = (-b + root) / a;
  return accept(hit, t, [(x + t * d[0]) / radius, (y + t * d[1]) / radius, (z + t * d[2]) / radius]);
}

function hitBox(box: Box, o: Vector, d: Vector, hit: RayHit): boolean {
  const { centre, half, cos, sin } = box;
  const rx = o[0] - centre[0];
  const rz = o[2] - centre[2];
  const dx = cos * d[0] - sin * d[2];
  const dz = sin * d[0] + cos * d[2];
  const ox = cos * rx - sin * rz;
  const oy = o[1] - centre[1];
  const oz = sin * rx + cos * rz;
  // A ray parallel to a pair of faces has infinite bounds: −∞ to ∞ between them, none beside them.
  const x0 = (-half[0] - ox) / dx;
  const x1 = (half[0] - ox) / dx;
  const y0 = (-half[1] - oy) / d[1];
  const y1 = (half[1] - oy) / d[1];
  const z0 = (-half[2] - oz) / dz;
  const z1 = (half[2] - oz) / dz;
  const nearX = Math.min(x0, x1);
  const nearY = Math.min(y0, y1);
  const enter = Math.max(nearX, nearY, Math.min(z0, z1));
  if (enter <= nearestHit || enter >= hit.t) return false;
  if (enter > Math.min(Math.max(x0, x1), Math.max(y0, y1), Math.max(z0, z1))) return false;
  if (enter === nearY) return accept(hit, enter, [0, d[1] > 0 ? -1 : 1, 0]);
  if (enter === nearX) {
    const outward = dx > 0 ? -1 : 1;
    return accept(hit, enter, [outward * cos, 0, -outward * sin]);
  }
  const outward = dz > 0 ? -1 : 1;
  return accept(hit, enter, [outward * sin, 0, outward * cos]);
}

function hitCylinder(cylinder: Cylinder, o: Vector, d: Vector, hit: RayHit): boolean {
  const { centre, radius, halfHeight } = cylinder;
  const x = o[0] - centre[0];
  const y = o[1] - centre[1];
  const z = o[2] - centre[2];
  const a = d[0] * d[0] + d[2] * d[2];
  const b = x * d[0] + z * d[2];
  const c = x * x + z * z - radius * radius;
  const discriminant = b * b - a * c;
  if (discriminant < 0) return false;
  let nearer = false;
  if (a > 0) {
    const t = (-b - Math.sqrt(discriminant)) / a;
    const at = y + t * d[1];
    if (at >= -halfHeight && at <= halfHeight) {
      nearer = accept(hit, t, [(x + t * d[0]) / radius, 0, (z + t * d[2]) / radius]);
    }
  }
  if (d[1] === 0) return nearer;
  const cap = d[1] < 0 ? 1 : -1;
  const t = (cap * halfHeight - y) / d[1];
  const px = x + t * d[0];
  const pz = z + t * d[2];
  return (px * px + pz * pz <= radius * radius && accept(hit, t, [0, cap, 0])) || nearer;
}
