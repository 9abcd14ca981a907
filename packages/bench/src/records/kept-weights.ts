import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import { z } from 'zod';
import type { KeptWeights } from './phase-record-schema.js';
import type { Cell, DoneRecord } from './record-schema.js';
import { filePart, writeOutput } from './run-files.js';

/** What one draw of a phase trained. */
export interface TrainedInPhase {
  /** The phase, and the draw where there are several: they end the file's name. */
  readonly parts: readonly string[];
  /** By this suite's names: the head, the method's parameters, and weights of the backbone that it trained or changed. */
  readonly weights: Weights;
  /** Of the head's outputs, where it has one for each. */
  readonly classNames?: readonly string[];
}

/**
 * Writes `weights/<cell>.<phase>.safetensors` into the run folder, atomically.
 * @throws InputError when it cannot be written, as on a full disk
 */
export async function keepWeights(
  runDir: string,
  { id }: Pick<Cell, 'id'>,
  { parts, weights, classNames }: TrainedInPhase,
): Promise<KeptWeights> {
  const file = `weights/${[id, ...parts.map(filePart)].join('.')}.safetensors`;
  const bytes = writeSafetensors(weights, {
    format: 'pt',
    cell: id,
    phase: parts.join('/'),
    ...(classNames && { classNames: JSON.stringify(classNames) }),
  });
  await writeOutput(join(runDir, file), bytes);
  return { file, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}

/** The content of a file of trained weights. */
export interface ReadWeights {
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly classNames: readonly string[] | undefined;
}

/**
 * Reads what {@link keepWeights} wrote.
 * @throws MissingDataError when the file is not there
 * @throws FormatError when it is another one than the record says
 */
export async function readKeptWeights(runDir: string, { file, sha256 }: KeptWeights): Promise<ReadWeights> {
  const path = join(runDir, file);
  const again = 'Run with --resume --keep-weights --out and this run folder to train it again.';
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new MissingDataError('A file of trained weights cannot be read.', {
      where: path,
      expected: 'the file that the record names',
      received: error.code === 'ENOENT' ? 'no such file' : error.message,
      fix: error.code === 'ENOENT' ? again : 'Check the permissions of the file and its folder.',
    });
  });
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) {
    throw new FormatError('A file of trained weights is not the one that its record names.', {
      where: path,
      expected: `SHA-256 ${sha256}`,
      received: found,
      fix: `Copy the run folder again. ${again}`,
    });
  }
  const { tensors, metadata } = readSafetensors(
    new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
    path,
  );
  const { classNames } = metadata;
  return {
    weights: tensors,
    classNames: classNames === undefined ? undefined : z.array(z.string()).parse(JSON.parse(classNames)),
  };
}

/** Whether the trained weights of all phases are there, as far as their sizes show. */
export async function hasKeptWeights(
  runDir: string,
  { phases }: Pick<DoneRecord, 'phases'>,
): Promise<boolean> {
  for (const { weights, training } of phases.flatMap(({ draws }) => draws)) {
    if (training === null) continue;
    if (!weights) return false;
    const size = await stat(join(runDir, weights.file)).then(
      (file) => file.size,
      () => undefined,
    );
    if (size !== weights.bytes) return false;
  }
  return true;
}
