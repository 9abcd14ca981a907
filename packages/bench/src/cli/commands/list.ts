import { InputError } from '@kora-bench/core/errors';
import { analyses } from '../../analyses/index.js';
import { loadSuite, suiteNames } from '../../config/load-suite.js';
import { suggestion } from '../../input/check-input.js';
import { readPluginsFile } from '../../registry/plugins.js';
import { loadKind } from '../../registry/registry.js';
import { exitCode, printJson, printResult } from './output.js';

/** What can be listed. */
export const listKinds = [
  'methods',
  'backends',
  'models',
  'datasets',
  'tasks',
  'protocols',
  'analyses',
  'suites',
] as const;
type Kind = (typeof listKinds)[number];

interface Listed {
  readonly name: string;
  readonly description: string;
  readonly [detail: string]: unknown;
}

/** Lists one kind of what is registered, or all. */
export async function list(kind: string | undefined, { json }: { readonly json?: boolean }): Promise<number> {
  const kinds = kind === undefined ? listKinds : [knownKind(kind)];
  const listed = await Promise.all(kinds.map(async (one) => [one, await entriesOf(one)] as const));
  if (json) printJson(kind === undefined ? Object.fromEntries(listed) : listed[0]![1]);
  else printResult(listed.map(([one, entries]) => listText(one, entries)).join('\n\n'));
  return exitCode.done;
}

function knownKind(kind: string): Kind {
  const found = listKinds.find((one) => one === kind);
  if (found !== undefined) return found;
  throw new InputError(`There is nothing to list as "${kind}".`, {
    where: 'list',
    expected: `one of ${listKinds.join(', ')}`,
    received: kind,
    fix: suggestion(kind, listKinds, 'Choose one of these.'),
  });
}

async function entriesOf(kind: Kind): Promise<readonly Listed[]> {
  const plugins = await readPluginsFile();
  switch (kind) {
    case 'methods':
      return [...(await loadKind(kind, plugins.methods)).values()].map(
        ({ name, description, source, presets }) => ({
          name,
          description,
          source,
          presets: Object.keys(presets ?? {}),
        }),
      );
    case 'backends':
      return [...(await loadKind(kind, plugins.backends)).values()].map(
        ({ name, description, devices, defaultDevice }) => ({ name, description, devices, defaultDevice }),
      );
    case 'models':
      return [...(await loadKind(kind, plugins.models)).values()].map(
        ({ name, description, embedded, howToGet, model }) => ({
          name,
          description,
          embedded,
          howToGet,
          imageSize: model.imageSize,
          width: model.width,
          depth: model.depth,
          numClasses: model.numClasses,
        }),
      );
    case 'datasets':
      return [...(await loadKind(kind, plugins.datasets)).values()].map(
        ({ name, description, targets, classes, embedded, howToGet }) => ({
          name,
          description,
          targets,
          classes,
          embedded,
          howToGet,
        }),
      );
    case 'tasks':
      return [...(await loadKind(kind, plugins.tasks)).values()].map(({ name, description, targets }) => ({
        name,
        description,
        targets,
      }));
    case 'protocols':
      return [...(await loadKind(kind, plugins.protocols)).values()].map(({ name, description }) => ({
        name,
        description,
      }));
    case 'analyses':
      return [...analyses.values()].map(({ name, description }) => ({ name, description }));
    case 'suites': {
      const names = await suiteNames();
      return Promise.all(
        names.map(async (name) => ({ name, description: (await loadSuite(name)).config.description })),
      );
    }
  }
}

function listText(kind: Kind, entries: readonly Listed[]): string {
  const width = Math.max(...entries.map(({ name }) => name.length));
  const lines = entries.map((entry) => {
    const extras = (['presets', 'devices', 'targets'] as const).flatMap((field) => {
      const values = entry[field];
      return Array.isArray(values) && values.length > 0 ? [`${field}: ${values.join(', ')}`] : [];
    });
    const indent = `\n  ${' '.repeat(width)}  `;
    return `  ${entry.name.padEnd(width)}  ${[entry.description, ...extras].join(indent)}`;
  });
  return [`${kind}:`, ...lines].join('\n');
}
