import { type RandomStream, randomStream } from '@kora-bench/core/random';
import { between, chance, choose, clamp01, cosTurns, sinTurns } from './arithmetic.js';
import {
  type Canvas,
  createCanvas,
  type ExposureRange,
  expose,
  type Pose,
  paintShape,
  type View,
} from './canvas.js';
import type { ProceduralFamily, RenderedImage } from './family.js';
import type { TextureName } from './materials.js';
import { hsv, withLuma } from './materials.js';
import {
  brightnessBehind,
  colourPair,
  dropShadow,
  type PrimitiveName,
  primitiveNames,
  primitives,
  randomBackground,
  randomMaterial,
} from './scenery.js';

const generaCount = 25;
const speciesCount = 4;
/** Directions around the body where a part can sit. */
const partSlots = 8;

const bodyNames: readonly PrimitiveName[] = [
  'disc',
  'oval',
  'triangle',
  'square',
  'slab',
  'hexagon',
  'cross',
  'wedge',
];
const bodyTextures: readonly TextureName[] = [
  'plain',
  'stripes',
  'hoops',
  'checker',
  'polka',
  'zigzag',
  'rings',
];
const backgroundTextures: readonly TextureName[] = [
  'clouds',
  'bricks',
  'ripples',
  'diagonal',
  'cells',
  'plain',
];
const exposure: ExposureRange = { gradient: 0.4, cast: 0.12, contrast: 0.65, noise: 0.05 };

interface Part {
  readonly primitive: PrimitiveName;
  /** Direction from the body's centre in eighths of a turn. */
  readonly slot: number;
  readonly size: number;
  /** Darker (−1) or lighter (+1) than the body. */
  readonly tone: -1 | 1;
  /** Its hue's distance from the body's, in turns. */
  readonly tint: number;
}

interface Blueprint {
  readonly name: string;
  readonly body: PrimitiveName;
  readonly texture: TextureName;
  readonly parts: readonly Part[];
  /** Where the body's hue tends to, in turns. */
  readonly hue: number;
  /** Lighter (+1) or darker (−1) than what lies behind, mostly. */
  readonly polarity: -1 | 1;
}

/**
 * The source family: objects put together from two to four simple parts on textured ground. The 100
 * classes are 25 genera (body, two or three parts) of four species each, which differ from their
 * genus in two details only: a part's shape, a part's place or the body's texture. A class's hue is
 * a tendency, not a sign.
 */
export function sourceFamily(seed: number): ProceduralFamily {
  const blueprints = allBlueprints(randomStream(seed, 'procedural-source/blueprints'));
  return {
    target: 'label',
    classNames: blueprints.map((b) => b.name),
    render: (label, random, view) => renderAssembly(blueprints[label]!, random, view),
  };
}

function allBlueprints(random: RandomStream): readonly Blueprint[] {
  const blueprints: Blueprint[] = [];
  const seen = new Set<string>();
  for (let genus = 0; genus < generaCount; genus++) {
    const order = random.permutation(partSlots);
    const base: Plan = {
      body: bodyNames[genus % bodyNames.length]!,
      texture: choose(random, bodyTextures),
      hue: random.uniform(),
      polarity: chance(random, 0.5) ? 1 : -1,
      parts: Array.from({ length: 2 + (genus % 2) }, (_, i): Part => {
        return {
          primitive: choose(random, primitiveNames),
          slot: order[i]!,
          size: between(random, 0.36, 0.5),
          tone: chance(random, 0.5) ? 1 : -1,
          tint: random.uniform(),
        };
      }),
    };
    for (let species = 0; species < speciesCount; species++) {
      let variant: Plan = { ...base, hue: base.hue + 0.08 * species };
      do {
        if (species > 0) variant = { ...mutate(mutate(base, random), random), hue: variant.hue };
      } while (seen.has(structure(variant)));
      seen.add(structure(variant));
      blueprints.push({ name: `genus${String(genus).padStart(2, '0')}-species${species}`, ...variant });
    }
  }
  return blueprints;
}

type Plan = Omit<Blueprint, 'name'>;

function structure({ body, texture, parts }: Plan): string {
  return JSON.stringify([body, texture, parts]);
}

function mutate(plan: Plan, random: RandomStream): Plan {
  const which = random.uniformInt(plan.parts.length);
  const change = random.uniformInt(3);
  if (change === 0) return { ...plan, texture: choose(random, bodyTextures) };
  const taken = new Set(plan.parts.map((p) => p.slot));
  const free = Array.from({ length: partSlots }, (_, i) => i).filter((i) => !taken.has(i));
  const detail =
    change === 1 ? { primitive: choose(random, primitiveNames) } : { slot: choose(random, free) };
  return { ...plan, parts: plan.parts.map((part, i) => (i === which ? { ...part, ...detail } : part)) };
}

function renderAssembly(blueprint: Blueprint, random: RandomStream, view: View): RenderedImage {
  const canvas = createCanvas(view);
  const polarity = chance(random, 0.85) ? blueprint.polarity : blueprint.polarity === 1 ? -1 : 1;
  const behind = brightnessBehind(random, polarity);
  randomBackground(canvas, random, backgroundTextures, behind);
  for (let i = random.uniformInt(4); i > 0; i--) clutter(canvas, random, between(random, 0.08, 0.2));
  assembly(canvas, blueprint, random, behind + polarity * between(random, 0.26, 0.42));
  if (chance(random, 0.35)) clutter(canvas, random, between(random, 0.1, 0.2));
  return { pixels: expose(canvas, random, exposure) };
}

function assembly(canvas: Canvas, blueprint: Blueprint, random: RandomStream, bodyBrightness: number): void {
  const scale = between(random, 0.5, 0.64);
  const room = 0.55 * (1.12 - 1.45 * scale);
  const pose: Pose = {
    x: between(random, -room, room),
    y: between(random, -room, room),
    scale,
    turns: 0.03 * random.normal(),
  };
  const hue = chance(random, 0.8) ? blueprint.hue + 0.06 * random.normal() : random.uniform();
  const colour = withLuma(hsv(hue, between(random, 0.35, 0.95), 0.8), bodyBrightness);
  const toward = bodyBrightness < 0.5 ? 1 : -1;
  const second = withLuma(
    hsv(hue + 0.5, 0.6, 0.8),
    clamp01(bodyBrightness + toward * between(random, 0.3, 0.5)),
  );
  const cos = cosTurns(pose.turns);
  const sin = sinTurns(pose.turns);
  const placed = blueprint.parts.map((part) => {
    const direction = part.slot / partSlots + 0.012 * random.normal();
    const u = 0.92 * sinTurns(direction);
    const v = -0.92 * cosTurns(direction);
    const at: Pose = {
      x: pose.x + scale * (cos * u - sin * v),
      y: pose.y + scale * (sin * u + cos * v),
      scale: scale * part.size * between(random, 0.88, 1.15),
      turns: pose.turns + 0.03 * random.normal(),
    };
    const away = part.tone * between(random, 0.25, 0.45);
    const brightness = bodyBrightness + away;
    // Where there is no room on the class's side the part takes the other: tone is a tendency too.
    const used = brightness < 0.02 || brightness > 0.98 ? bodyBrightness - away : brightness;
    const tint = withLuma(hsv(hue + part.tint, between(random, 0.3, 0.9), 0.8), clamp01(used));
    return { shape: primitives[part.primitive], at, tint };
  });
  const shadow = between(random, -0.1, 0.1);
  if (chance(random, 0.6)) {
    dropShadow(canvas, primitives[blueprint.body], pose, [shadow, 0.08]);
    for (const { shape, at } of placed) dropShadow(canvas, shape, at, [shadow, 0.08]);
  }
  const material = randomMaterial(random, blueprint.texture, [colour, second], {
    frequency: 2.8,
    relief: 0.3,
  });
  paintShape(canvas, primitives[blueprint.body], pose, material);
  for (const { shape, at, tint } of placed) {
    paintShape(
      canvas,
      shape,
      at,
      randomMaterial(random, 'plain', [tint, tint], { frequency: 1, relief: 0.2 }),
    );
  }
}

/** A loose part that belongs to no object. */
function clutter(canvas: Canvas, random: RandomStream, scale: number): void {
  const colours = colourPair(random, random.uniform(), between(random, 0, 0.4));
  const pose: Pose = {
    x: between(random, -1, 1),
    y: between(random, -1, 1),
    scale,
    turns: random.uniform(),
    aspect: between(random, 0.7, 1.3),
  };
  const shape = primitives[choose(random, primitiveNames)];
  paintShape(
    canvas,
    shape,
    pose,
    randomMaterial(random, choose(random, backgroundTextures), colours, { frequency: 2.5, relief: 0.2 }),
  );
}
