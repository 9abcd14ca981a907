import type { ImageDataset, ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { datasets } from '@kora-bench/datasets';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { slug } from '../report/html.js';
import { pngOf } from './png.js';

/** The embedded data are made at this size. */
const preprocessing: Preprocessing = {
  imageSize: [64, 64],
  interpolation: 'bicubic',
  cropPct: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

/** An image of a site: its address from the site's folder, and what makes it. */
export interface SiteImage {
  readonly path: string;
  make(): Promise<Uint8Array>;
}

/**
 * The images and class names of data that come with the suite. Those of others are not shown: their licences may not allow
 * to publish them.
 */
export class ExampleImages {
  readonly #opened = new Map<string, Promise<ImageDataset | null>>();

  /** Names of the classes by label; null where the data are not embedded or have none. */
  async classNames(dataset: string): Promise<readonly string[] | null> {
    const targets = (await this.#open(dataset))?.test.targets;
    return targets?.label?.classNames ?? targets?.mask?.classNames ?? null;
  }

  /** An example by its path in the data set; null where the data are not embedded or have no such image. */
  async image(dataset: string, path: string): Promise<SiteImage | null> {
    const found = await this.#find(dataset, path);
    if (found === null) return null;
    return {
      path: `images/${slug(dataset)}/${slug(path.replace(/\.[a-z]+$/, ''))}.png`,
      make: () => readPng(found.split, found.index),
    };
  }

  /**
   * The true mask or depth of an example, `[H, W]`: classes, −1 where there is none; metres, 0 where not measured. Null as
   * above.
   */
  async truth(
    dataset: string,
    path: string,
    { kind, size }: { readonly kind: 'mask' | 'depth'; readonly size: readonly [number, number] },
  ): Promise<ArrayLike<number> | null> {
    const found = await this.#find(dataset, path);
    if (found === null) return null;
    const reader = await found.split.open({ ...preprocessing, imageSize: size });
    try {
      return (await reader.read([found.index]))[kind] ?? null;
    } finally {
      await reader.close();
    }
  }

  async #find(
    dataset: string,
    path: string,
  ): Promise<{ readonly split: ImageSplit; readonly index: number } | null> {
    const data = await this.#open(dataset);
    for (const split of [data?.test, data?.val, data?.train]) {
      const index = split?.paths.indexOf(path) ?? -1;
      if (split !== undefined && index >= 0) return { split, index };
    }
    return null;
  }

  #open(name: string): Promise<ImageDataset | null> {
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const definition = datasets.find((one) => one.name === name);
    const opening = definition?.embedded === true ? definition.open(dataFolders()) : Promise.resolve(null);
    this.#opened.set(name, opening);
    return opening;
  }
}

async function readPng(split: ImageSplit, index: number): Promise<Uint8Array> {
  const reader = await split.open(preprocessing);
  try {
    const { pixels } = await reader.read([index]);
    return pngOf(pixels, preprocessing.imageSize);
  } finally {
    await reader.close();
  }
}
