import { InputError } from '@kora-bench/core';
import { suiteNames } from '../../config/load-suite.js';
import { protocolNames, taskNames } from '../../config/run-config.js';
import { loadKind } from '../../registry/registry.js';
import { suggestion } from '../../input/nearest-name.js';
import { readPluginsFile } from '../../registry/plugins.js';
import { exitCode } from '../exit-code.js';
import { printJson, printResult } from '../output.js';
import { listKinds } from '../program.js';

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
        ({ name, description, embedded, howToGet, config }) => ({
          name,
          description,
          embedded,
          howToGet,
          config,
        }),
      );
    case 'datasets':
      return [...(await loadKind(kind, plugins.datasets)).values()].map(
        ({ name, description, task, classes, embedded, howToGet }) => ({
          name,
          description,
          task,
          classes,
          embedded,
          howToGet,
        }),
      );
    case 'tasks':
      return taskNames.map((name) => ({ name, description: taskDescriptions[name] }));
    case 'protocols':
      return protocolNames.map((name) => ({ name, description: protocolDescriptions[name] }));
    case 'suites': {
      const { loadSuite } = await import('../../config/load-suite.js');
      const names = await suiteNames();
      return Promise.all(
        names.map(async (name) => ({ name, description: (await loadSuite(name)).config.description })),
      );
    }
  }
}

const taskDescriptions = {
  source: 'classification of the data set that the method is trained on',
  transfer: 'classification of another data set with a new head on the frozen, trained model',
  depth: 'monocular depth, trained from the source-trained model',
} as const satisfies Record<(typeof taskNames)[number], string>;

const protocolDescriptions = {
  stratified: 'a few images of each class, true labels, the whole validation split (the default)',
  'as-published':
    'the first 1000 files in directory order, labelled by leaf folder, one epoch: shows what the published number measures, not transfer',
} as const satisfies Record<(typeof protocolNames)[number], string>;

function listText(kind: Kind, entries: readonly Listed[]): string {
  const width = Math.max(...entries.map(({ name }) => name.length));
  const lines = entries.map((entry) => {
    const extras = [
      Array.isArray(entry.presets) && entry.presets.length > 0 && `presets: ${entry.presets.join(', ')}`,
      Array.isArray(entry.devices) && `devices: ${entry.devices.join(', ')}`,
    ].filter(Boolean);
    const indent = `\n  ${' '.repeat(width)}  `;
    return `  ${entry.name.padEnd(width)}  ${[entry.description, ...extras].join(indent)}`;
  });
  return [`${kind}:`, ...lines].join('\n');
}
