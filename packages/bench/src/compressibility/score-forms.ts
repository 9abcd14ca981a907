import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { Codec, Form } from '@kora-bench/compression';
import { decodeUpdate, encodeUpdate, formName, formsFor } from '@kora-bench/compression';
import { primaryMetric } from '@kora-bench/core/training';
import type { Evaluation, WeightStore } from '@kora-bench/trainer';
import { evaluate } from '@kora-bench/trainer';
import type { CodedForm } from './compressibility-schema.js';
import type { ScoredCell } from './judge-forms.js';
import type { TrainedCell } from './open-cell.js';
import type { NamedTensor, TrainedUpdate } from './trained-update.js';

const quality = 11;

/** Brotli (RFC 7932) at its highest quality, as Node has it. */
const brotli: Codec = {
  name: 'brotli',
  compress: (bytes) =>
    brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: quality,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  decompress: (bytes) => brotliDecompressSync(bytes),
};

/** What a reader must know to count the same bytes. */
export const codecUsed = { name: brotli.name, quality, version: process.versions['brotli'] ?? 'unknown' };

export interface ScoringSettings {
  /** Ends the work between two forms. */
  readonly stop: AbortSignal;
  /** Called with every form that is done. */
  told(form: CodedForm): void;
}

/** Compresses what a cell trained in every form, and scores what comes back from the bytes. */
export async function scoreForms(
  { trained, update, context, spec, examples, task }: TrainedCell,
  { stop, told }: ScoringSettings,
): Promise<ScoredCell> {
  const metric = primaryMetric(task.metrics);
  const measured = async (weights: WeightStore) => {
    const [evaluation] = await evaluate(context, weights, spec, [examples.split]);
    return { value: evaluation!.values[metric.key] ?? null, residualBytes: residualBytes(evaluation!) };
  };
  const nothing = await measured(update.start);
  const forms: CodedForm[] = [];
  const parameters = partsOf(countOf(update.method), countOf(update.head));
  for (const form of formsFor([...update.method, ...update.head].map(({ shape }) => shape))) {
    stop.throwIfAborted();
    const { weights, bytes } = throughBytes(update, form);
    const coded: CodedForm = {
      name: formName(form),
      bytes,
      bitsPerParameter: (8 * bytes.total) / parameters.total,
      ...(await measured(weights)),
    };
    forms.push(coded);
    told(coded);
  }
  const { recorded } = examples;
  return { cell: trained.cell, parameters, recorded, nothing, forms };
}

/** The model that a decoder has, and how many bytes it was given. */
function throughBytes(
  { start, method, head }: TrainedUpdate,
  form: Form,
): { readonly weights: WeightStore; readonly bytes: CodedForm['bytes'] } {
  const weights = start.fork();
  const sizeOf = (tensors: readonly NamedTensor[]): number => {
    const bytes = encodeUpdate(tensors, form, brotli);
    // A decoder has no trained values to look at.
    const layout = tensors.map(({ shape, start: from }) => ({ shape, start: from }));
    for (const [i, data] of decodeUpdate(bytes, layout, brotli).entries())
      weights.set(tensors[i]!.name, { dtype: 'f32', shape: tensors[i]!.shape, data });
    return bytes.length;
  };
  return { bytes: partsOf(sizeOf(method), sizeOf(head)), weights };
}

function partsOf(method: number, head: number) {
  return { method, head, total: method + head };
}

function countOf(tensors: readonly NamedTensor[]): number {
  return tensors.reduce((sum, { values }) => sum + values.length, 0);
}

/**
 * Bytes of the labels given the predicted probabilities, by an ideal code: −log2 p(label) bits each (Shannon 1948), which
 * arithmetic coding reaches within 2 bits for all of them together. Null for tasks without one class per example.
 */
function residualBytes({ scores: { label, predicted, loss } }: Evaluation): number | null {
  if (label === undefined || predicted === undefined || loss === undefined) return null;
  return loss.reduce((sum, nats) => sum + nats, 0) / Math.LN2 / 8;
}
