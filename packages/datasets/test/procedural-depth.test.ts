import {
  type Camera,
  castRay,
  createCanvas,
  createProceduralDataset,
  type DepthScene,
  noHit,
  type Solid,
  type Surface,
  traceScene,
  viewRay,
} from '@kora-bench/datasets';
import { describe, expect, it } from 'vitest';

const plainSurface: Surface = {
  texture: () => 0,
  colours: [
    [0.5, 0.5, 0.5],
    [0.5, 0.5, 0.5],
  ],
  frequency: 1,
  salt: 0,
};
const levelCamera: Camera = { position: [0, 1, 0], cos: 1, sin: 0, spread: 0.5 };
const imageSide = 33;
const centrePixel = (imageSide * imageSide - 1) / 2;

/** Picture coordinate of the centre of pixel `i` of a row or column. */
const coordinate = (i: number) => (2 * i + 1) / imageSide - 1;

function depthOf(solids: readonly Solid[], camera = levelCamera): Float32Array {
  const scene: DepthScene = { camera, solids, light: [0, 0.8, -0.6], ambient: 0.4, sky: [0.5, 0.7, 1] };
  return traceScene(scene, createCanvas({ width: imageSide, height: imageSide, extent: 1 }));
}

describe('depth of known scenes', () => {
  it('of the floor under a pitched camera follows from the angles', () => {
    const pitch = 0.3;
    const camera = {
      ...levelCamera,
      position: [0, 1.4, 0],
      cos: Math.cos(pitch),
      sin: Math.sin(pitch),
    } as const;
    const depth = depthOf([{ kind: 'ground', surface: plainSurface }], camera);
    let floor = 0;
    for (let row = 0; row < imageSide; row++) {
      const below = Math.atan(coordinate(row) * camera.spread);
      for (let column = 0; column < imageSide; column++) {
        const measured = depth[row * imageSide + column]!;
        if (pitch + below <= 0) {
          expect(measured).toBe(0);
          continue;
        }
        floor++;
        const along = (1.4 / Math.sin(pitch + below)) * Math.cos(below);
        expect(Math.abs(measured / along - 1)).toBeLessThan(1e-5);
      }
    }
    expect(floor).toBeGreaterThan(imageSide * imageSide * 0.5);
    expect(floor).toBeLessThan(imageSide * imageSide);
  });

  it('of a sphere straight ahead is its distance less its radius, and 0 around it', () => {
    const depth = depthOf([{ kind: 'sphere', centre: [0, 1, 4], radius: 0.75, surface: plainSurface }]);
    expect(depth[centrePixel]).toBeCloseTo(3.25, 6);
    expect(depth[0]).toBe(0);
    // The silhouette's tangent cone has sine radius / distance.
    const cone = 0.75 / 4 / Math.sqrt(1 - (0.75 / 4) ** 2);
    for (let row = 0; row < imageSide; row++) {
      for (let column = 0; column < imageSide; column++) {
        const slope = levelCamera.spread * Math.hypot(coordinate(row), coordinate(column));
        expect(depth[row * imageSide + column]! > 0).toBe(slope < cone);
      }
    }
  });

  it('of a box facing the camera is that of its front everywhere', () => {
    const box: Solid = {
      kind: 'box',
      centre: [0, 1, 3],
      half: [0.5, 0.5, 0.4],
      cos: 1,
      sin: 0,
      surface: plainSurface,
    };
    const hits = depthOf([box]).filter((d) => d > 0);
    expect(hits.length).toBe(13 * 13);
    for (const d of hits) expect(d).toBeCloseTo(2.6, 6);
  });

  it('of a box turned by 45° is nearest at its edge', () => {
    const cos = Math.SQRT1_2;
    const box: Solid = {
      kind: 'box',
      centre: [0, 1, 3],
      half: [0.5, 0.5, 0.5],
      cos,
      sin: cos,
      surface: plainSurface,
    };
    expect(depthOf([box])[centrePixel]).toBeCloseTo(3 - Math.SQRT1_2, 6);
  });

  it('of a cylinder is that of its side from the front and of its top from above', () => {
    const cylinder: Solid = {
      kind: 'cylinder',
      centre: [0, 1, 3],
      radius: 0.6,
      halfHeight: 0.5,
      surface: plainSurface,
    };
    expect(depthOf([cylinder])[centrePixel]).toBeCloseTo(2.4, 6);
    const down = { position: [0, 4, 3], cos: 0, sin: 1, spread: 0.3 } as const;
    expect(depthOf([cylinder], down)[centrePixel]).toBeCloseTo(2.5, 6);
  });

  it('is that of the nearer of two solids', () => {
    const near: Solid = { kind: 'sphere', centre: [0, 1, 2], radius: 0.5, surface: plainSurface };
    const far: Solid = { kind: 'sphere', centre: [0, 1, 5], radius: 2, surface: plainSurface };
    expect(depthOf([near, far])).toEqual(depthOf([far, near]));
    expect(depthOf([far, near])[centrePixel]).toBeCloseTo(1.5, 6);
  });

  it('gives normals of unit length that face the camera', () => {
    const solids: Solid[] = [
      { kind: 'sphere', centre: [-0.8, 1, 4], radius: 0.7, surface: plainSurface },
      { kind: 'box', centre: [0.8, 1, 4], half: [0.5, 0.6, 0.5], cos: 0.6, sin: 0.8, surface: plainSurface },
      { kind: 'cylinder', centre: [0, 0.4, 3], radius: 0.3, halfHeight: 0.4, surface: plainSurface },
      { kind: 'ground', surface: plainSurface },
    ];
    const hit = noHit();
    const met = new Set<number>();
    for (let i = 0; i < imageSide * imageSide; i++) {
      const ray = viewRay(levelCamera, coordinate(i % imageSide), coordinate(Math.floor(i / imageSide)));
      castRay(solids, levelCamera.position, ray, hit);
      if (hit.solid < 0) continue;
      met.add(hit.solid);
      expect(Math.hypot(hit.nx, hit.ny, hit.nz)).toBeCloseTo(1, 9);
      expect(hit.nx * ray[0] + hit.ny * ray[1] + hit.nz * ray[2]).toBeLessThan(1e-9);
    }
    expect(met.size).toBe(solids.length);
  });
});

describe('procedural-depth', () => {
  it('measures rooms of up to 12 m with little sky', async () => {
    const { test } = createProceduralDataset('procedural-depth');
    const reader = await test.open({
      imageSize: [32, 32],
      interpolation: 'bilinear',
      cropPct: 1,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
    const { depth } = await reader.read(Array.from({ length: test.length }, (_, i) => i));
    const measured = depth!.filter((d) => d > 0);
    expect(measured.length / depth!.length).toBeGreaterThan(0.95);
    expect(measured.length).toBeLessThan(depth!.length);
    for (const d of measured) if (!(d > 0.5 && d < 12)) expect.fail(`depth ${d} m`);
  });
});
