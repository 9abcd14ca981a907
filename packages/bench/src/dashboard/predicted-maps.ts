import { readMaps } from '../records/map-files.js';
import type { PhaseRecord } from '../records/phase-record-schema.js';
import { escapeHtml, markup, slug } from '../report/html.js';
import type { ExampleImages, SiteImage } from './example-images.js';
import { classColour, depthPixels, maskPixels } from './map-colours.js';
import { pngOf } from './png.js';

export interface PredictedMapsSettings {
  readonly runDir: string;
  /** Of the record, from the run folder. */
  readonly file: string;
  /** Where pictures of the cell go, from the site's folder. */
  readonly folder: string;
  readonly examples: ExampleImages;
  /** Takes the images that are shown. */
  readonly images: SiteImage[];
}

/** Predicted masks or depth maps beside the truth; undefined where there are none. */
export async function predictedMaps(
  { name, data }: PhaseRecord,
  { runDir, file, folder, examples, images }: PredictedMapsSettings,
): Promise<string | undefined> {
  const kept = await readMaps(runDir, file);
  if (kept === null) return undefined;
  const { kind, height, width, maps } = kept;
  const size = [height, width] as const;
  const truths = await Promise.all(
    maps.map(({ path }) => examples.truth(data.dataset, path, { kind, size })),
  );
  const most = Math.max(...[...truths, ...maps.map(({ values }) => values)].map((of) => largest(of ?? [])));
  const picture = (path: string, values: ArrayLike<number>): SiteImage => ({
    path,
    make: async () => pngOf(kind === 'mask' ? maskPixels(values) : depthPixels(values, most), size),
  });
  const items: string[] = [];
  for (const [i, { path, values }] of maps.entries()) {
    const image = await examples.image(data.dataset, path);
    const truth = truths[i];
    const shown = [
      image && { title: 'image', image },
      truth && {
        title: 'truth',
        image: picture(`images/${slug(data.dataset)}/${slug(path)}-${kind}-${height}.png`, truth),
      },
      { title: 'predicted', image: picture(`${folder}/${slug(name)}-${i}.png`, values) },
    ].filter((one) => one !== null && one !== undefined);
    images.push(...shown.map((one) => one.image));
    items.push(
      markup(
        '<li class="card"><div class="row">',
        ...shown.map(
          ({ title, image: { path: address } }) =>
            `<figure><img src="../../${escapeHtml(address)}" width="${width}" height="${height}" loading="lazy" alt="${escapeHtml(`${title} of ${path}`)}"><figcaption>${title}</figcaption></figure>`,
        ),
        '</div></li>',
      ),
    );
  }
  const names = kind === 'mask' ? await examples.classNames(data.dataset) : null;
  return markup(
    '<h3>Sample predictions</h3>',
    `<p class="facts">The first ${maps.length} images${kind === 'depth' ? `; dark is near, bright is ${most.toFixed(1)} m, grey is not measured` : ''}.${truths.every((truth) => truth === null) ? ' Images and truths of data that do not come with the suite are not shown.' : ''}</p>`,
    names !== null &&
      `<ul class="legend">${names.map((of, label) => `<li><span class="swatch" style="--colour: ${classColour(label)}"></span>${escapeHtml(of)}</li>`).join('')}</ul>`,
    `<ul class="maps">${items.join('')}</ul>`,
  );
}

function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
}
