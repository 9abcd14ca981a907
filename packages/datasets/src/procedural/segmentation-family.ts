import type { RandomStream } from '@kora-bench/core/random';
import { between, chance, choose, clamp01 } from './arithmetic.js';
import {
  type Canvas,
  createCanvas,
  type ExposureRange,
  expose,
  markShape,
  type Pose,
  paintShape,
} from './canvas.js';
import type { ProceduralFamily, RenderedImage } from './family.js';
import { randomColour, type TextureName } from './materials.js';
import {
  brightnessApart,
  dropShadow,
  type PrimitiveName,
  primitives,
  randomBackground,
  randomMaterial,
} from './scenery.js';

/** The classes after background: what a shape is, whatever its colour, texture, size and turn. */
const shapeNames = [
  'disc',
  'ring',
  'crescent',
  'triangle',
  'square',
  'star',
  'cross',
] as const satisfies readonly PrimitiveName[];

const groundTextures: readonly TextureName[] = [
  'plain',
  'clouds',
  'speckle',
  'hoops',
  'cells',
  'grid',
  'bricks',
];
const shapeTextures: readonly TextureName[] = [
  'plain',
  'plain',
  'stripes',
  'checker',
  'dots',
  'clouds',
  'zigzag',
];
const exposure: ExposureRange = { gradient: 0.25, cast: 0.08, contrast: 0.7, noise: 0.05 };

/**
 * The segmentation family: three to seven flat shapes of seven kinds lie over each other on textured ground.
 * The mask has the class of the topmost shape at the centre of each pixel, 0 for the ground; it is exact,
 * while the picture is smoothed at borders.
 */
export function segmentationFamily(): ProceduralFamily {
  return {
    target: 'mask',
    classNames: ['ground', ...shapeNames],
    render: (_label, random, view): RenderedImage => {
      const canvas = createCanvas(view);
      const mask = new Int32Array(view.width * view.height);
      const brightness = between(random, 0.2, 0.8);
      randomBackground(canvas, random, groundTextures, brightness);
      for (let left = 3 + random.uniformInt(5); left > 0; left--) {
        layShape({ canvas, mask }, random, brightness);
      }
      return { pixels: expose(canvas, random, exposure), mask };
    },
  };
}

interface Picture {
  readonly canvas: Canvas;
  /** Classes `[H, W]`. */
  readonly mask: Int32Array;
}

function layShape({ canvas, mask }: Picture, random: RandomStream, ground: number): void {
  const label = 1 + random.uniformInt(shapeNames.length);
  const shape = primitives[shapeNames[label - 1]!];
  const pose: Pose = {
    x: between(random, -0.85, 0.85),
    y: between(random, -0.85, 0.85),
    scale: between(random, 0.2, 0.48),
    turns: random.uniform(),
    aspect: between(random, 0.85, 1.15),
  };
  const brightness = clamp01(brightnessApart(random, ground, 0.18));
  const second = clamp01(brightness + choose(random, [-1, 1] as const) * between(random, 0, 0.16));
  const colours = [randomColour(random, brightness), randomColour(random, second)] as const;
  if (chance(random, 0.4)) dropShadow(canvas, shape, pose, [between(random, -0.06, 0.06), 0.06]);
  const look = { frequency: 3, relief: 0.25 };
  paintShape(canvas, shape, pose, randomMaterial(random, choose(random, shapeTextures), colours, look));
  markShape(canvas, shape, pose, (pixel) => {
    mask[pixel] = label;
  });
}
