import { createHash } from 'node:crypto';
import type { DatasetCheck, DatasetDefinition, ImageDataset } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { CompleteDataset } from '../split/selection.js';
import { depthFamily } from './depth-family.js';
import type { ProceduralFamily } from './family.js';
import { pretrainFamily } from './pretrain-family.js';
import { proceduralImageSize, proceduralSplit } from './procedural-split.js';
import { segmentationFamily } from './segmentation-family.js';
import { sourceFamily } from './source-family.js';
import { transferFamily } from './transfer-family.js';

/** How a procedural data set is drawn. */
export interface ProceduralOptions {
  /** Seed of classes and examples; the registered data sets have 0. */
  readonly seed?: number;
  /** Training examples of each class (of all where they have no label). */
  readonly trainPerClass?: number;
  /** Validation examples of each class (of all where they have no label). */
  readonly valPerClass?: number;
  /** Test examples of each class (of all where they have no label). */
  readonly testPerClass?: number;
}

interface ProceduralKind {
  readonly target: ProceduralFamily['target'];
  readonly classes: number;
  readonly version: number;
  readonly trainPerClass: number;
  readonly valPerClass: number;
  readonly testPerClass: number;
  readonly description: string;
  /** SHA-256 over pictures of `train` and `test`, seed 0, as `digestOf` takes them. */
  readonly digest: string;
  family(seed: number): ProceduralFamily;
}

/** What `verify` renders of each split. */
const digestExamples = 4;

const kinds = {
  'procedural-source': {
    target: 'label',
    classes: 100,
    version: 1,
    trainPerClass: 20,
    valPerClass: 5,
    testPerClass: 10,
    description: 'Objects put together from simple parts on textured ground: 25 genera of 4 species.',
    digest: '24f1bbce014c88d0cab62a0658223cd70e9ed8330fbc1a774ade102820793e23',
    family: sourceFamily,
  },
  'procedural-transfer': {
    target: 'label',
    classes: 200,
    version: 1,
    trainPerClass: 50,
    valPerClass: 5,
    testPerClass: 10,
    description: 'Line drawings: glyphs of two radicals in three layouts, in ink of any colour.',
    digest: 'c7c7fd11350b623811a749c8e29d52a81d5733fb65a3b70a5304518fce7bd3fe',
    family: transferFamily,
  },
  'procedural-depth': {
    target: 'depth',
    classes: 0,
    version: 1,
    trainPerClass: 500,
    valPerClass: 100,
    testPerClass: 200,
    description: 'Ray-cast rooms with spheres, boxes and cylinders; exact depth in metres.',
    digest: '0739e2699914b37524c38aeaa7b31f9bbf94a20ec6a5023af5a12dc3a869ad57',
    family: depthFamily,
  },
  'procedural-segmentation': {
    target: 'mask',
    classes: 8,
    version: 1,
    trainPerClass: 400,
    valPerClass: 100,
    testPerClass: 200,
    description: 'Flat shapes of seven kinds over each other on textured ground; exact masks.',
    digest: '0477f512b63972659834a94e4c9e898216006768c9a2dc97617a2df7bd77a60a',
    family: segmentationFamily,
  },
  'procedural-pretrain': {
    target: 'label',
    classes: 256,
    version: 2,
    trainPerClass: 200,
    valPerClass: 4,
    testPerClass: 8,
    description: 'Textured blobs: 32 silhouettes with 16 textures in 4 arrangements, for pre-training.',
    digest: 'a27c90d54e82722577f79d72f794e2a577d29075fdfed79925708997da64bb26',
    family: pretrainFamily,
  },
} as const satisfies Record<string, ProceduralKind>;

export type ProceduralDatasetName = keyof typeof kinds;

/**
 * A procedural data set, for other sizes and seeds than the registered ones. Another seed draws
 * other classes of the same look.
 *
 * @throws InputError when a number of examples is not a positive integer or the seed is not a safe
 * integer.
 */
export function createProceduralDataset(
  name: ProceduralDatasetName,
  options: ProceduralOptions = {},
): CompleteDataset {
  const kind: ProceduralKind = kinds[name];
  const {
    seed = 0,
    trainPerClass = kind.trainPerClass,
    valPerClass = kind.valPerClass,
    testPerClass = kind.testPerClass,
  } = options;
  for (const [where, count] of Object.entries({ trainPerClass, valPerClass, testPerClass })) {
    if (!Number.isInteger(count) || count < 1 || count > 1_000_000) {
      throw new InputError('The number of examples is not valid.', {
        where,
        expected: 'an integer from 1 to 1000000',
        received: String(count),
      });
    }
  }
  const family = kind.family(seed);
  const shared = { dataset: name, version: kind.version, seed };
  return {
    name,
    train: proceduralSplit(family, { ...shared, split: 'train', perClass: trainPerClass }),
    val: proceduralSplit(family, { ...shared, split: 'val', perClass: valPerClass }),
    test: proceduralSplit(family, { ...shared, split: 'test', perClass: testPerClass }),
  };
}

/** SHA-256 (hex) over pixels and targets per pixel of examples spread over `train` and `test` of a data set. */
async function digestOf(dataset: ImageDataset): Promise<string> {
  const hash = createHash('sha256');
  for (const split of [dataset.train, dataset.test]) {
    const reader = await split.open({
      imageSize: [proceduralImageSize, proceduralImageSize],
      interpolation: 'bilinear',
      cropPct: 1,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
    const spread = Array.from({ length: digestExamples }, (_, i) => {
      return Math.floor((i * split.length) / digestExamples);
    });
    const { pixels, depth, mask } = await reader.read(spread);
    await reader.close();
    hash.update(pixels);
    if (mask !== undefined) hash.update(Uint8Array.from(mask));
    if (depth === undefined) continue;
    const bytes = new DataView(new ArrayBuffer(4 * depth.length));
    for (const [i, metres] of depth.entries()) bytes.setFloat32(4 * i, metres, true);
    hash.update(bytes);
  }
  return hash.digest('hex');
}

async function verify(name: ProceduralDatasetName): Promise<DatasetCheck> {
  const dataset = createProceduralDataset(name);
  const digest = await digestOf(dataset);
  const expected = kinds[name].digest;
  const ok = digest === expected;
  return {
    ok,
    details: [
      `${dataset.train.length} training, ${dataset.val.length} validation and ${dataset.test.length} test images of ` +
        `${proceduralImageSize}×${proceduralImageSize}, rendered on demand`,
      `SHA-256 of ${2 * digestExamples} sample images: ${digest}`,
    ],
    problems: ok
      ? []
      : [
          `The renderer gives other images here than it should (expected ${expected}). Results would not ` +
            'be comparable with those of other machines: rebuild the package, and if it stays, report it ' +
            'with the version of Node and the processor.',
        ],
  };
}

/** The embedded data sets: no download, the same bytes on every machine. */
export const proceduralDatasets: readonly DatasetDefinition[] = (
  Object.keys(kinds) as ProceduralDatasetName[]
).map((name) => {
  const kind = kinds[name];
  return {
    name,
    targets: [kind.target],
    classes: kind.classes,
    description: kind.description,
    embedded: true,
    howToGet: '',
    open: async () => createProceduralDataset(name),
    verify: () => verify(name),
  };
});
