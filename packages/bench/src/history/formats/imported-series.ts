import { createHash } from 'node:crypto';
import type { SeriesLine } from '../history-schema.js';

/** A measure of someone else's benchmark. */
export interface ImportedMeasure {
  readonly key: string;
  readonly unit: string;
  readonly direction: 'higher' | 'lower';
}

/** A series of someone else's benchmark: its name is all of its configuration that is known. */
export function importedSeries(
  name: string,
  testbed: string,
  measures: readonly ImportedMeasure[],
): SeriesLine {
  return {
    historyVersion: 1,
    kind: 'series',
    name,
    label: name,
    model: '',
    backend: '',
    device: '',
    configuration: createHash('sha256').update(`imported\n${name}`).digest('hex'),
    settings: null,
    testbed: { id: folderName(testbed), description: testbed },
    measures: Object.fromEntries(
      measures.map(({ key, unit, direction }) => [
        key,
        {
          kind: 'sample' as const,
          title: key,
          phase: null,
          unit,
          direction,
          format: { scale: 1, digits: 6 },
          gating: false,
          isShare: false,
        },
      ]),
    ),
  };
}

/** A name as a folder's. */
export const folderName = (text: string) =>
  text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^\.+/, '') || 'unnamed';

/** The file of an imported series. */
export function importedFile({ name, configuration, testbed }: SeriesLine): string {
  return `${testbed.id}/${folderName(name).slice(0, 90)}-${configuration.slice(0, 8)}.jsonl`;
}
