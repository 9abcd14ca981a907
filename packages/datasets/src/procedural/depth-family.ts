import type { RandomStream } from '@kora-bench/core/random';
import { between, chance, choose, cosTurns, sinTurns } from './arithmetic.js';
import { type Canvas, createCanvas, type ExposureRange, expose } from './canvas.js';
import type { ProceduralFamily } from './family.js';
import { allTextures, hsv, type Rgb, type TextureName } from './materials.js';
import { castRay, isBlocked, noHit, type Solid, type Surface, type Vector } from './ray-scene.js';
import { colourPair } from './scenery.js';

/** A pinhole camera that looks along +z, pitched down. */
export interface Camera {
  readonly position: Vector;
  /** Cosine and sine of the downward pitch. */
  readonly cos: number;
  readonly sin: number;
  /** Tangent of half the field of view. */
  readonly spread: number;
}

export interface DepthScene {
  readonly camera: Camera;
  readonly solids: readonly Solid[];
  /** Unit vector towards the light. */
  readonly light: Vector;
  /** Share of the light that reaches shadows. */
  readonly ambient: number;
  readonly sky: Rgb;
}

const floorTextures: readonly TextureName[] = [
  'checker',
  'grid',
  'bricks',
  'clouds',
  'speckle',
  'stripes',
  'plain',
];
const wallTextures: readonly TextureName[] = ['plain', 'bricks', 'stripes', 'clouds', 'grid', 'polka'];
const skinTextures: readonly TextureName[] = [
  'plain',
  'plain',
  'checker',
  'stripes',
  'dots',
  'clouds',
  'ripples',
];
const exposure: ExposureRange = { gradient: 0.15, cast: 0.06, contrast: 0.75, noise: 0.04 };

/**
 * The depth family: a floor, one or two walls and three to seven spheres, boxes and cylinders from
 * about 0.7 to 10 m away, ray-cast with textures, one light and hard shadows. Depth is measured as depth
 * cameras give it, in metres along the optical axis (not along the ray), at the centre of each
 * pixel; sky above the wall is 0.
 */
export function depthFamily(): ProceduralFamily {
  return {
    target: 'depth',
    classNames: [],
    render: (_label, random, view) => {
      const scene = randomScene(random);
      const canvas = createCanvas(view);
      const depth = traceScene(scene, canvas);
      return { pixels: expose(canvas, random, exposure), depth };
    },
  };
}

/** The direction through a point of the picture; its component along the optical axis is 1. */
export function viewRay({ cos, sin, spread }: Camera, x: number, y: number): Vector {
  const right = x * spread;
  const up = -y * spread;
  return [right, up * cos - sin, up * sin + cos];
}

/**
 * Renders a scene into a canvas and returns its depth `[H, W]`. One ray per pixel gives depth and
 * colour; where a neighbour shows another solid or shadow, four more rays smooth the colour (not
 * the depth, which stays that of one point).
 */
export function traceScene(scene: DepthScene, canvas: Canvas): Float32Array {
  const { width, height, pixel, left, top, rgb } = canvas;
  const depth = new Float32Array(width * height);
  const seen = new Int32Array(width * height);
  const shader = createShader(scene, pixel);
  const sum = new Float64Array(3);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      const t = shader.shade(left + column * pixel, top + row * pixel);
      depth[at] = t === Number.POSITIVE_INFINITY ? 0 : t;
      seen[at] = shader.seen;
      for (let c = 0; c < 3; c++) rgb[3 * at + c] = shader.colour[c]!;
    }
  }
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      const here = seen[at];
      const border =
        (column > 0 && seen[at - 1] !== here) ||
        (column < width - 1 && seen[at + 1] !== here) ||
        (row > 0 && seen[at - width] !== here) ||
        (row < height - 1 && seen[at + width] !== here);
      if (!border) continue;
      sum.fill(0);
      for (let i = 0; i < 4; i++) {
        const dx = (i & 1 ? 0.25 : -0.25) * pixel;
        const dy = (i & 2 ? 0.25 : -0.25) * pixel;
        shader.shade(left + column * pixel + dx, top + row * pixel + dy);
        for (let c = 0; c < 3; c++) sum[c] = sum[c]! + 0.25 * shader.colour[c]!;
      }
      for (let c = 0; c < 3; c++) rgb[3 * at + c] = sum[c]!;
    }
  }
  return depth;
}

interface Shader {
  /** Shades the ray through a point of the picture and returns its depth, infinite for sky. */
  shade(x: number, y: number): number;
  readonly colour: Float64Array;
  /** A number for the solid and whether it is in shadow. */
  seen: number;
}

function createShader(scene: DepthScene, pixel: number): Shader {
  const { camera, solids, light, ambient, sky } = scene;
  const hit = noHit();
  const scratch = noHit();
  const point: [number, number, number] = [0, 0, 0];
  const shader: Shader = {
    colour: new Float64Array(3),
    seen: -1,
    shade(x, y) {
      const ray = viewRay(camera, x, y);
      castRay(solids, camera.position, ray, hit);
      if (hit.solid < 0) {
        shader.seen = -1;
        for (let c = 0; c < 3; c++) shader.colour[c] = sky[c]! * (1 + 0.2 * y);
        return hit.t;
      }
      const { t, solid, nx, ny, nz } = hit;
      // Just off the surface, so that rounding cannot put it into its own shadow.
      for (let i = 0; i < 3; i++) point[i] = camera.position[i]! + t * ray[i]!;
      const facing = nx * light[0] + ny * light[1] + nz * light[2];
      let lit = 0;
      if (facing > 0) {
        point[0] += 1e-4 * nx;
        point[1] += 1e-4 * ny;
        point[2] += 1e-4 * nz;
        if (!isBlocked(solids, point, light, scratch)) lit = facing;
      }
      shader.seen = 2 * solid + (lit > 0 ? 1 : 0);
      const { surface } = solids[solid]!;
      const length = Math.sqrt(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2]);
      const slope = Math.abs(nx * ray[0] + ny * ray[1] + nz * ray[2]) / length;
      const w = (t * pixel * camera.spread * surface.frequency) / Math.max(0.15, slope);
      const blend = textureAt(surface, point, [nx, ny, nz], w);
      const brightness = ambient + (1 - ambient) * lit;
      const [a, b] = surface.colours;
      for (let c = 0; c < 3; c++) shader.colour[c] = (a[c]! + (b[c]! - a[c]!) * blend) * brightness;
      return t;
    },
  };
  return shader;
}

/** Texture coordinates are the two axes across the surface's main direction. */
function textureAt(surface: Surface, p: Vector, [nx, ny, nz]: Vector, w: number): number {
  const { texture, frequency: f, salt } = surface;
  if (Math.abs(ny) > 0.7) return texture(p[0] * f, p[2] * f, w, salt);
  return Math.abs(nx) > Math.abs(nz)
    ? texture(p[2] * f, p[1] * f, w, salt)
    : texture(p[0] * f, p[1] * f, w, salt);
}

function randomScene(random: RandomStream): DepthScene {
  const pitch = between(random, 0.02, 0.085);
  const camera: Camera = {
    position: [0, between(random, 0.9, 1.8), 0],
    cos: cosTurns(pitch),
    sin: sinTurns(pitch),
    spread: between(random, 0.52, 0.62),
  };
  const far = between(random, 4, 8);
  const solids: Solid[] = [
    { kind: 'ground', surface: randomSurface(random, floorTextures, between(random, 0.8, 2)) },
    wall(random, [0, 0, far], {
      halfLength: 30,
      height: chance(random, 0.3) ? between(random, 2, 3) : 8,
      turns: between(random, -0.05, 0.05),
    }),
  ];
  if (chance(random, 0.5)) {
    const side = chance(random, 0.5) ? 1 : -1;
    // It ends at the far wall: behind a low one nothing but sky may show.
    const foot: Vector = [side * between(random, 2, 3.5), 0, far - 9];
    const turns = 0.25 + between(random, -0.012, 0.012);
    solids.push(wall(random, foot, { halfLength: 10, height: 8, turns }));
  }
  for (let i = 3 + random.uniformInt(5); i > 0; i--) solids.push(randomSolid(random, far));
  const azimuth = random.uniform();
  const height = between(random, 0.5, 1.4);
  // The light stands behind the camera more often than not, so that shadows fall into the picture.
  const raw: Vector = [cosTurns(azimuth), height, 0.7 * sinTurns(azimuth) - 0.5];
  const length = Math.sqrt(raw[0] * raw[0] + raw[1] * raw[1] + raw[2] * raw[2]);
  return {
    camera,
    solids,
    light: [raw[0] / length, raw[1] / length, raw[2] / length],
    ambient: between(random, 0.35, 0.55),
    sky: hsv(between(random, 0.52, 0.66), between(random, 0.05, 0.5), between(random, 0.7, 1)),
  };
}

interface WallSize {
  readonly halfLength: number;
  readonly height: number;
  readonly turns: number;
}

function wall(random: RandomStream, foot: Vector, { halfLength, height, turns }: WallSize): Solid {
  return {
    kind: 'box',
    centre: [foot[0], height / 2, foot[2]],
    half: [halfLength, height / 2, 0.05],
    cos: cosTurns(turns),
    sin: sinTurns(turns),
    surface: randomSurface(random, wallTextures, between(random, 0.8, 2)),
  };
}

function randomSolid(random: RandomStream, far: number): Solid {
  const z = between(random, 1.6, far - 0.5);
  const x = between(random, -0.5, 0.5) * z;
  const size = between(random, 0.18, 0.55);
  const surface = randomSurface(random, skinTextures, between(random, 1, 1.8) / size);
  const kind = random.uniformInt(3);
  if (kind === 0) return { kind: 'sphere', centre: [x, size, z], radius: size, surface };
  const halfHeight = size * between(random, 0.6, 2);
  if (kind === 1) {
    return { kind: 'cylinder', centre: [x, halfHeight, z], radius: 0.7 * size, halfHeight, surface };
  }
  const turns = random.uniform();
  const half: Vector = [size, halfHeight, size * between(random, 0.5, 1.3)];
  return {
    kind: 'box',
    centre: [x, halfHeight, z],
    half,
    cos: cosTurns(turns),
    sin: sinTurns(turns),
    surface,
  };
}

function randomSurface(random: RandomStream, textures: readonly TextureName[], frequency: number): Surface {
  return {
    texture: allTextures[choose(random, textures)],
    colours: colourPair(random, between(random, 0.45, 0.92), between(random, 0.1, 0.4)),
    frequency,
    salt: random.nextUint32(),
  };
}
