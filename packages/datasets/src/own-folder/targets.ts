import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Targets } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { warnOnce } from '../cache/warn-once.js';
import { mapConcurrently } from '../content/concurrency.js';
import { type ContentSource, linesOf, readTexts } from '../content/content-source.js';
import { maskIndices, UndecodableExample } from '../decode/decode-targets.js';
import { imageFile, imageFormats, otherImageFile } from '../decode/image-format.js';
import type { TargetEncoding } from '../decode/stored-example.js';
import { type FileExample, pairFiles } from '../split/file-split.js';
import { childrenOf, imagesText, pairFolders } from './layout.js';

/*
 * What the examples below one folder teach, for each kind of layout.
 */

/** The examples of one split, or of all of them, and what they teach. */
export interface FolderExamples {
  readonly examples: readonly FileExample[];
  readonly targets: Targets;
  readonly encoding?: TargetEncoding;
  readonly notes?: readonly string[];
}

const settingsSchema = z.strictObject({
  /** Metres of one unit of the depth images. */
  scale: z.number().positive().default(0.001),
  /** Metres beyond which nothing counts as measured. */
  maximum: z.number().positive().optional(),
  /** Whether images that are cut short are read as far as they go, as with Pillow's `LOAD_TRUNCATED_IMAGES`. */
  truncated: z.boolean().default(false),
  /** Values of masks that stand for no class. */
  unlabelled: z.array(z.int().min(0).max(255)).default([255]),
});

/** What an optional `dataset.json` says. */
export type FolderSettings = z.output<typeof settingsSchema>;

/** @throws FormatError when `dataset.json` is there and not valid */
export async function readSettings(source: ContentSource): Promise<FolderSettings> {
  if (!childrenOf(source, '').has('dataset.json')) return settingsSchema.parse({});
  const text = (await readTexts(source, ['dataset.json']))['dataset.json'];
  let received: string;
  try {
    const parsed = settingsSchema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    received = parsed.error.issues.map((issue) => offence(issue, JSON.parse(text))).join('; ');
  } catch (error) {
    received = error instanceof Error ? error.message : String(error);
  }
  throw new FormatError('The settings of the data set are not valid.', {
    where: `${source.location}: dataset.json`,
    expected:
      'a JSON object with "scale" (metres a unit), "maximum" (metres), "unlabelled" (mask values) or "truncated" ' +
      '(true or false)',
    received,
    fix: 'Correct the file, or remove it for the defaults: 0.001, none, [255] and false.',
  });
}

/** The field that is wrong in settings, and its value. */
function offence({ code, path, ...issue }: z.core.$ZodIssue, settings: unknown): string {
  if (code === 'unrecognized_keys')
    return `a field ${JSON.stringify((issue as { keys?: string[] }).keys?.[0])}`;
  const value = path.reduce<unknown>((inside, key) => Reflect.get(Object(inside), key), settings);
  return path.length === 0 ? JSON.stringify(value) : `${JSON.stringify(value)} as ${path.join('.')}`;
}

/**
 * One class for each folder right below the prefix; the images may lie deeper.
 *
 * @param classNames of the training split, for the others; by default the folders, sorted by name
 * @throws FormatError when a class has no images, or is not one of `classNames`
 */
export function labelledExamples(
  source: ContentSource,
  prefix: string,
  classNames: readonly string[] = classFolders(source, prefix),
): FolderExamples {
  const labelOf = new Map(classNames.map((name, label): [string, number] => [name, label]));
  const examples: FileExample[] = [];
  const labels: number[] = [];
  let outside = 0;
  source.entries.forEach(({ path }, image) => {
    if (!path.startsWith(prefix) || !imageFile.test(path)) return;
    const [name, ...below] = path.slice(prefix.length).split('/') as [string, ...string[]];
    if (below.length === 0) {
      outside++;
      return;
    }
    const label = labelOf.get(name);
    if (label === undefined) {
      throw new FormatError('An image is of a class that the training images do not have.', {
        where: `${source.location}: ${path}`,
        expected: `a folder of one of the ${classNames.length} classes: ${classNames.slice(0, 5).join(', ')}, …`,
        received: name,
        fix: 'Add training images of this class, or remove its folder.',
      });
    }
    examples.push({ image });
    labels.push(label);
  });
  const note = `Left out: ${imagesText(outside)} in ${prefix || 'the folder'} itself, in the folder of no class.`;
  return {
    examples,
    targets: { label: { classNames, labels: Int32Array.from(labels) } },
    notes: outside === 0 ? [] : [note],
  };
}

function classFolders(source: ContentSource, prefix: string): readonly string[] {
  return [...childrenOf(source, prefix)]
    .filter((child) => child.endsWith('/'))
    .map((child) => child.slice(0, -1))
    .sort();
}

/** @throws FormatError when there are folders without images among these */
export function requireImages(source: ContentSource, folders: readonly string[]): void {
  const filled = new Set<string>();
  for (const { path } of source.entries) {
    if (!imageFile.test(path)) continue;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) filled.add(path.slice(0, at));
  }
  const empty = folders.filter((folder) => !filled.has(folder));
  if (empty.length === 0) return;
  const other = source.entries.find(
    ({ path }) => path.startsWith(`${empty[0]}/`) && otherImageFile.test(path),
  );
  const found = other === undefined ? 'none' : `others, e.g. ${other.path}`;
  throw new FormatError('A class has no images.', {
    where: `${source.location}: ${empty[0]}/`,
    expected: `one image or more (${imageFormats}) for each class`,
    received: empty.length === 1 ? found : `${found}; likewise ${empty.length - 1} other folders`,
    fix:
      other === undefined
        ? 'Add images, or remove the folder.'
        : 'Save its images as PNG or JPEG, or remove the folder.',
  });
}

/** `images/` with `masks/`. @throws FormatError when an image has no mask */
export function maskedExamples(
  source: ContentSource,
  prefix: string,
  classNames: readonly string[],
  { unlabelled }: FolderSettings,
): FolderExamples {
  const { images, targets } = pairFolders.mask;
  return {
    examples: pairFiles(source, `${prefix}${images}`, `${prefix}${targets}`, 'mask'),
    targets: { mask: { classNames } },
    encoding: { mask: { unlabelled } },
  };
}

/**
 * The classes of masks: the lines of `classes.txt`, in the order of indices. Without it all masks are read
 * for the largest index, which is then kept in `cacheDir`.
 *
 * @throws FormatError when `classes.txt` is empty, or a mask cannot be decoded
 */
export async function maskClassNames(
  source: ContentSource,
  { unlabelled }: FolderSettings,
  cacheDir: string,
): Promise<readonly string[]> {
  if (childrenOf(source, '').has('classes.txt')) {
    const names = linesOf((await readTexts(source, ['classes.txt']))['classes.txt']);
    if (names.length > 0) return names;
    throw new FormatError('The list of classes is empty.', {
      where: `${source.location}: classes.txt`,
      expected: 'one class a line, in the order of the masks’ indices',
      received: 'no lines',
      fix: 'Fill it in, or remove it: classes are then numbered.',
    });
  }
  const masks = [...source.entries.keys()].filter((entry) =>
    /(?:^|\/)masks\/.*\.png$/i.test(source.entries[entry]!.path),
  );
  const state = JSON.stringify({ unlabelled, checksums: await source.checksums(masks) });
  const key = createHash('sha256').update(state).digest('hex').slice(0, 24);
  const kept = join(cacheDir, 'mask-classes', `${key}.json`);
  const known: unknown = await readFile(kept, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined);
  const classes = typeof known === 'number' ? known : await countClasses(source, masks, unlabelled);
  if (known === undefined) {
    await writeFileAtomic(kept, JSON.stringify(classes)).catch((error) =>
      warnOnce('mask-classes', `The number of classes in ${source.location} cannot be kept: ${error}.`),
    );
  }
  return Array.from({ length: classes }, (_, index) => `class ${index}`);
}

async function countClasses(
  source: ContentSource,
  masks: readonly number[],
  unlabelled: readonly number[],
): Promise<number> {
  const reader = await source.open();
  try {
    const largest = await mapConcurrently(masks, masksAtOnce, async (entry) => {
      const where = `${source.location}: ${source.entries[entry]!.path}`;
      const { values } = await decoded(reader.read(entry), where);
      return values.reduce((most, value) => (unlabelled.includes(value) ? most : Math.max(most, value)), -1);
    });
    return largest.reduce((most, value) => Math.max(most, value), 0) + 1;
  } finally {
    await reader.close();
  }
}

const masksAtOnce = 8;

async function decoded(bytes: Promise<Uint8Array>, where: string) {
  try {
    return maskIndices(await bytes);
  } catch (error) {
    if (!(error instanceof UndecodableExample)) throw error;
    const { message, expected, received, fix } = error.failure;
    throw new FormatError(message, { where, expected, received, fix });
  }
}

/** `rgb/` with `depth/`. @throws FormatError when an image has no depth */
export function measuredExamples(
  source: ContentSource,
  prefix: string,
  { scale, maximum }: FolderSettings,
): FolderExamples {
  const { images, targets } = pairFolders.depth;
  return {
    examples: pairFiles(source, `${prefix}${images}`, `${prefix}${targets}`, 'depth'),
    targets: { depth: maximum === undefined ? {} : { maximum } },
    encoding: { depth: { metresPerUnit: scale } },
  };
}

/**
 * The images below a folder that `values.csv` in it, or at the top, lists in its column `path`, with the
 * numbers of its other columns. Paths begin where the table lies.
 *
 * @throws FormatError when the table is not so, or an image is missing
 */
export async function valuedExamples(source: ContentSource, prefix: string): Promise<FolderExamples> {
  const table = childrenOf(source, prefix).has('values.csv') ? prefix : '';
  const path = `${table}values.csv`;
  const text = (await readTexts(source, [path]))[path]!;
  const fail = (where: string, expected: string, received: string): never => {
    throw new FormatError('The table of values is not valid.', {
      where: `${source.location}: ${path}${where}`,
      expected,
      received,
      fix: 'Correct the table.',
    });
  };
  const shape = 'a first line such as "path,angle", then one line an image: its path and finite numbers';
  let rows: string[][] = [];
  try {
    rows = parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    fail('', shape, error instanceof Error ? error.message : String(error));
  }
  const [header, ...all] = rows;
  if (header?.[0] !== 'path' || header.length < 2) fail('', shape, JSON.stringify(header ?? 'an empty file'));
  const lines = all
    .map((cells, i) => ({ cells, line: i + 2 }))
    .filter(({ cells }) => `${table}${cells[0]}`.startsWith(prefix));
  if (lines.length === 0) fail('', shape, `no line with a path below ${prefix || 'the folder'}`);
  const entryOf = new Map(source.entries.map((entry, i): [string, number] => [entry.path, i]));
  const names = header!.slice(1);
  const values = new Float32Array(lines.length * names.length);
  const listed = new Set<string>();
  const examples = lines.map(({ cells: [file, ...numbers], line }, i): FileExample => {
    const where = `, line ${line}`;
    const image = entryOf.get(`${table}${file}`);
    if (image === undefined || !imageFile.test(file!)) {
      return fail(where, `the path of an image below ${table || 'the folder'}`, JSON.stringify(file));
    }
    if (listed.has(file!)) fail(where, 'every image once', `${file} again`);
    listed.add(file!);
    numbers.forEach((number, column) => {
      const value = number === '' ? Number.NaN : Number(number);
      // Values are kept in 32 bits.
      if (!Number.isFinite(Math.fround(value)))
        fail(where, `a finite number for ${names[column]}, of at most 3.4e38`, JSON.stringify(number));
      values[i * names.length + column] = value;
    });
    return { image };
  });
  return { examples, targets: { value: { names, values } } };
}
