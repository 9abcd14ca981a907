import { createHash } from 'node:crypto';
import { sep } from 'node:path';
import { canonicalJson } from '../input/json.js';
import { decidingSettings } from '../plan/plan-cells.js';
import type { CellRecord } from '../records/record-schema.js';
import type { Measure } from './measures.js';
import { measuresOf } from './measures.js';
import type { Testbed } from './testbed.js';
import { testbedOf } from './testbed.js';

/** A cell of a run or an entry of a history, as far as comparisons need it. */
export interface ComparedCell {
  /** For people, without its seed. */
  readonly name: string;
  readonly label: string;
  readonly model: string;
  readonly backend: string;
  readonly device: string;
  readonly seed: number;
  /** SHA-256 of all settings that decide its numbers, but for its seed and the code. */
  readonly configuration: string;
  /** These settings by path; null where only their digest is known. */
  readonly settings: ReadonlyMap<string, string> | null;
  /** Null for a cell that failed. */
  readonly testbed: Testbed | null;
  readonly commit: string | null;
  readonly dirty: boolean | null;
  readonly startedAt: string;
  readonly measures: readonly Measure[];
  /** Why it failed. */
  readonly failure: string | null;
  /** Digests of the data of each phase: all splits and the training examples of each draw. */
  readonly data: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** The whole record with its folder; null for an entry of a history. */
  readonly source: { readonly record: CellRecord; readonly runDir: string } | null;
}

/** How the settings of records are read. */
export interface SettingsReading {
  /** Paths of settings that may differ, e.g. `learningRate`. */
  readonly ignored?: ReadonlySet<string>;
  /** The checkout that a run was made in: files in it are the same wherever it lies. */
  readonly checkout?: string;
}

/** @param runDir where the record's scores are */
export function comparedCell(
  record: CellRecord,
  runDir: string,
  reading: SettingsReading = {},
): ComparedCell {
  const { cell } = record;
  const { settings, digest } = configurationOf(record, reading);
  const done = record.status === 'done' ? record : null;
  return {
    name: nameOf(cell),
    label: cell.label,
    model: cell.model,
    backend: cell.backend,
    device: cell.device,
    seed: cell.seed,
    configuration: digest,
    settings,
    testbed: done && testbedOf(done.environment),
    commit: done?.code.commit ?? null,
    dirty: done?.code.dirty ?? null,
    startedAt: record.startedAt,
    measures: measuresOf(record),
    failure: record.status === 'failed' ? `${record.error.code}: ${record.error.message}` : null,
    data: new Map(
      (done?.phases ?? []).map(({ name, data, draws }) => [
        name,
        {
          ...Object.fromEntries(
            Object.entries(data.splits).map(([split, { fingerprint }]) => [split, fingerprint]),
          ),
          ...Object.fromEntries(
            draws.map(({ train }, i) => [`training examples of draw ${i}`, train.fingerprint]),
          ),
        },
      ]),
    ),
    source: { record, runDir },
  };
}

/** `lora with vit_micro_patch8_64 on onnxruntime:cpu`. */
export function nameOf({
  label,
  model,
  backend,
  device,
}: Pick<ComparedCell, 'label' | 'model' | 'backend' | 'device'>): string {
  return `${label} with ${model} on ${backend}:${device}`;
}

/** The digest of what decides a record's numbers, but for its seed and the code, with the settings behind it. */
export function configurationOf(
  { cell, config }: Pick<CellRecord, 'cell' | 'config'>,
  { ignored = new Set(), checkout }: SettingsReading = {},
): { readonly settings: ReadonlyMap<string, string>; readonly digest: string } {
  const { id, ...own } = cell;
  const { settings, shared } = decidingSettings(own, config);
  const { seed, ...others } = settings;
  const below = checkout === undefined ? undefined : JSON.stringify(`${checkout}${sep}`).slice(0, -1);
  const inCheckout = (value: string) => (below === undefined ? value : value.replaceAll(below, '"./'));
  const flat = new Map(
    [...leaves(others, ''), ...leaves(shared, '')]
      .filter(([path]) => !isIgnored(path, ignored))
      .map(([path, value]) => [path, inCheckout(value)]),
  );
  const text = canonicalJson([...flat].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { settings: flat, digest: createHash('sha256').update(text).digest('hex') };
}

/** Whether a path or one above it is named. */
function isIgnored(path: string, ignored: ReadonlySet<string>): boolean {
  const parts = path.split('.');
  return parts.some((_, i) => ignored.has(parts.slice(0, i + 1).join('.')));
}

/** Every leaf of a value with its path; phases go by their names. */
function* leaves(value: unknown, path: string): Iterable<readonly [string, string]> {
  const below = (key: string) => (path === '' ? key : `${path}.${key}`);
  if (Array.isArray(value) && value.every((one) => typeof (one as { name?: unknown })?.name === 'string')) {
    yield [path, value.map((one: { readonly name: string }) => one.name).join(', ')];
    for (const one of value as { readonly name: string }[]) yield* leaves(one, below(one.name));
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    if (entries.length === 0) yield [path, '{}'];
    for (const [key, inner] of entries) yield* leaves(inner, below(key));
  } else if (value !== undefined) yield [path, canonicalJson(value)];
}

/** Hexadecimal digits of data fingerprints that histories keep. */
export const keptOfFingerprints = 16;
