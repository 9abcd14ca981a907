import { type RandomStream, randomStream } from '@kora-bench/core/random';
import { between, chance, choose, cosTurns, sinTurns } from './arithmetic.js';
import {
  createCanvas,
  createStrokeLayer,
  drawStroke,
  type ExposureRange,
  expose,
  inkStrokes,
  type Point,
  paintBackground,
  type Stroke,
  type View,
} from './canvas.js';
import type { ProceduralFamily, RenderedImage } from './family.js';
import type { TextureName } from './materials.js';
import { randomColour } from './materials.js';
import { brightnessApart, brightnessBehind, randomMaterial } from './scenery.js';

const classCount = 200;
const radicalCount = 28;
/** Knots of the 3 × 3 grid that a radical's strokes run between. */
const knotCount = 9;

const layouts = ['beside', 'above', 'inside'] as const;
const paperTextures: readonly TextureName[] = [
  'plain',
  'clouds',
  'speckle',
  'hoops',
  'pinstripes',
  'grid',
  'dots',
  'diagonal',
];
const exposure: ExposureRange = { gradient: 0.3, cast: 0.08, contrast: 0.65, noise: 0.05 };

interface GlyphClass {
  readonly name: string;
  readonly first: readonly Stroke[];
  readonly second: readonly Stroke[];
  readonly layout: (typeof layouts)[number];
}

/**
 * The transfer family: line drawings. A glyph is two radicals (of 28, each two to four straight or
 * bent strokes) side by side, stacked, or one around the other; a class is such a combination, so
 * that classes share radicals and only the whole tells them apart. Ink and paper have any colour,
 * in a quarter of the pictures the ink is the lighter; hand, pen, paper and stray strokes vary.
 */
export function transferFamily(seed: number): ProceduralFamily {
  const classes = glyphClasses(randomStream(seed, 'procedural-transfer/glyphs'));
  return {
    target: 'label',
    classNames: classes.map((c) => c.name),
    render: (label, random, view) => renderGlyph(classes[label]!, random, view),
  };
}

function glyphClasses(random: RandomStream): readonly GlyphClass[] {
  const radicals: (readonly Stroke[])[] = [];
  const seen = new Set<string>();
  while (radicals.length < radicalCount) {
    const radical = randomRadical(random, 2 + (radicals.length % 3));
    const key = JSON.stringify(radical);
    if (!seen.has(key)) radicals.push(radical);
    seen.add(key);
  }
  const combinations = random
    .permutation(radicalCount * radicalCount * layouts.length)
    .slice(0, classCount)
    .sort();
  return Array.from(combinations, (code): GlyphClass => {
    const layout = layouts[Math.floor(code / (radicalCount * radicalCount))]!;
    const first = Math.floor(code / radicalCount) % radicalCount;
    const second = code % radicalCount;
    const number = (i: number) => String(i).padStart(2, '0');
    return {
      name: `${number(first)}-${layout}-${number(second)}`,
      first: radicals[first]!,
      second: radicals[second]!,
      layout,
    };
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Strokes in [−1, 1]² between neighbouring or opposite knots, each joined to an earlier one. */
function randomRadical(random: RandomStream, strokes: number): readonly Stroke[] {
  const drawn: Stroke[] = [];
  const reached = [random.uniformInt(knotCount)];
  while (drawn.length < strokes) {
    const from = choose(random, reached);
    const to = random.uniformInt(knotCount);
    if (to === from || drawn.some((s) => joins(s, from, to))) continue;
    const bend = chance(random, 0.4) ? (chance(random, 0.5) ? 0.55 : -0.55) : 0;
    drawn.push({ from: knot(from), to: knot(to), bend });
    reached.push(to);
  }
  return drawn;
}

function knot(i: number): Point {
  return [(i % 3) - 1, Math.floor(i / 3) - 1];
}

function joins(stroke: Stroke, a: number, b: number): boolean {
  const same = (p: Point, q: Point) => p[0] === q[0] && p[1] === q[1];
  const [p, q] = [knot(a), knot(b)];
  return (same(stroke.from, p) && same(stroke.to, q)) || (same(stroke.from, q) && same(stroke.to, p));
}

/** Centre and half-size of the boxes of the two radicals. */
function boxes(layout: GlyphClass['layout']): readonly [Box, Box] {
  if (layout === 'beside')
    return [
      { x: -0.52, y: 0, w: 0.4, h: 0.82 },
      { x: 0.52, y: 0, w: 0.4, h: 0.82 },
    ];
  if (layout === 'above')
    return [
      { x: 0, y: -0.52, w: 0.82, h: 0.4 },
      { x: 0, y: 0.52, w: 0.82, h: 0.4 },
    ];
  return [
    { x: 0, y: 0, w: 0.95, h: 0.95 },
    { x: 0, y: 0, w: 0.42, h: 0.42 },
  ];
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

function renderGlyph(glyph: GlyphClass, random: RandomStream, view: View): RenderedImage {
  const canvas = createCanvas(view);
  const polarity = chance(random, 0.75) ? -1 : 1;
  const paper = brightnessBehind(random, polarity);
  const shade = brightnessApart(random, paper, 0.08);
  const ground: [ReturnType<typeof randomColour>, ReturnType<typeof randomColour>] = [
    randomColour(random, paper),
    randomColour(random, paper + Math.max(-0.16, Math.min(0.16, shade - paper))),
  ];
  const sheet = randomMaterial(random, choose(random, paperTextures), ground, {
    frequency: between(random, 2, 6),
    relief: 0.12,
  });
  paintBackground(canvas, sheet, 0.25 * random.uniformInt(4) + 0.02 * random.normal());

  const scale = between(random, 0.68, 0.88);
  const room = 0.6 * (1.05 - scale);
  const centre: Point = [between(random, -room, room), between(random, -room, room)];
  const turns = 0.022 * random.normal();
  const slant = 0.09 * random.normal();
  const aspect = between(random, 0.86, 1.14);
  const cos = scale * cosTurns(turns);
  const sin = scale * sinTurns(turns);
  const place = ([u, v]: Point): Point => {
    const x = u * aspect + slant * v;
    return [centre[0] + cos * x - sin * v, centre[1] + sin * x + cos * v];
  };
  const wobble = between(random, 0.02, 0.08);
  const shaky = (v: number) => v + wobble * random.normal();

  const ink = createStrokeLayer(canvas);
  const [boxA, boxB] = boxes(glyph.layout);
  for (const [radical, box] of [
    [glyph.first, boxA],
    [glyph.second, boxB],
  ] as const) {
    const inBox = ([u, v]: Point): Point => place([shaky(box.x + u * box.w), shaky(box.y + v * box.h)]);
    for (const stroke of radical) {
      const bend = stroke.bend + 0.08 * random.normal();
      drawStroke(ink, { from: inBox(stroke.from), to: inBox(stroke.to), bend });
    }
  }

  const strays = createStrokeLayer(canvas);
  for (let i = random.uniformInt(4); i > 0; i--) {
    const end = (): Point => [between(random, -1, 1), between(random, -1, 1)];
    const [x, y] = end();
    const reach = between(random, 0.2, 0.7);
    const direction = random.uniform();
    const to: Point = [x + reach * cosTurns(direction), y + reach * sinTurns(direction)];
    drawStroke(strays, { from: [x, y], to, bend: between(random, -0.5, 0.5) });
  }
  const width = between(random, 0.05, 0.12);
  const stray = randomColour(random, brightnessApart(random, paper, 0.12));
  inkStrokes(canvas, strays, stray, { width: between(random, 0.04, 0.1), core: 0, opacity: 0.75 });
  const colour = randomColour(random, paper + polarity * between(random, 0.3, 0.55));
  // An open line has a bare core: the pen's two edges only.
  const open = chance(random, 0.3);
  const drawnWidth = open ? Math.max(0.11, 1.3 * width) : width;
  inkStrokes(canvas, ink, colour, {
    width: drawnWidth,
    core: open ? 0.5 * drawnWidth : 0,
    opacity: between(random, 0.75, 1),
  });
  return { pixels: expose(canvas, random, exposure) };
}
