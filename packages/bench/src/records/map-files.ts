import { join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { KoraError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { readJsonFile, writeOutput } from './run-files.js';

/*
 * Some predicted masks or depth maps of an evaluation, to look at: `maps/<cell>.<phase>.<evaluation>.json`. They are for
 * the eye, not for scores: depth is kept in 255 steps, and large maps with every n-th pixel.
 */

/** Images whose maps are kept: the first ones of the split. */
export const keptMaps = 8;
/** Pixels of a side that are kept at most. */
const largestSide = 96;

const mapsSchema = z.strictObject({
  schemaVersion: z.literal(2),
  kind: z.enum(['mask', 'depth']),
  height: z.int().positive(),
  width: z.int().positive(),
  /** Metres of one step of depth; 1 for masks, whose steps are classes. */
  step: z.number().positive(),
  /** 8 bits a pixel, deflated, in base 64. */
  maps: z.array(z.strictObject({ path: z.string(), values: z.base64() })),
});

export interface PredictedMaps {
  readonly kind: 'mask' | 'depth';
  readonly height: number;
  readonly width: number;
  /** Classes or metres of each pixel, `[H, W]`. */
  readonly maps: readonly { readonly path: string; readonly values: Float64Array }[];
}

/** Writes maps atomically. @throws InputError when the folder cannot be written */
export async function writeMaps(runDir: string, file: string, given: PredictedMaps): Promise<void> {
  const { kind, height, width, maps } = smaller(given);
  const most = Math.max(0, ...maps.flatMap(({ values }) => [...values].filter(Number.isFinite)));
  const step = kind === 'mask' ? 1 : most / 255 || 1;
  const content: z.infer<typeof mapsSchema> = {
    schemaVersion: 2,
    kind,
    height,
    width,
    step,
    maps: maps.map(({ path, values }) => ({
      path,
      values: deflateSync(Uint8Array.from(values, (value) => Math.round(value / step))).toString('base64'),
    })),
  };
  await writeOutput(join(runDir, file), `${JSON.stringify(content)}\n`);
}

/** @returns null where they are not there or not valid: they are for the eye alone */
export async function readMaps(runDir: string, file: string): Promise<PredictedMaps | null> {
  try {
    const { kind, height, width, step, maps } = await readJsonFile(join(runDir, file), mapsSchema, {
      kind: 'file of predicted maps',
      fix: 'Run with --resume after deleting the cell’s record, to make both again.',
    });
    return {
      kind,
      height,
      width,
      maps: maps.map(({ path, values }) => ({
        path,
        values: Float64Array.from(inflateSync(Buffer.from(values, 'base64')), (byte) => byte * step),
      })),
    };
  } catch (error) {
    if (error instanceof KoraError || (error as NodeJS.ErrnoException).code?.startsWith('Z_')) return null;
    throw error;
  }
}

/** Every n-th pixel of both sides. */
function smaller({ kind, height, width, maps }: PredictedMaps): PredictedMaps {
  const every = Math.ceil(Math.max(height, width) / largestSide);
  const [rows, columns] = [Math.floor(height / every), Math.floor(width / every)];
  return {
    kind,
    height: rows,
    width: columns,
    maps: maps.map(({ path, values }) => ({
      path,
      values: Float64Array.from({ length: rows * columns }, (_, i) => {
        const [y, x] = [Math.floor(i / columns) * every, (i % columns) * every];
        return values[y * width + x]!;
      }),
    })),
  };
}
