import type { Testbed } from '../measures/testbed.js';
import { testbedOf } from '../measures/testbed.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { Column } from '../report/html.js';
import { escapeHtml, folded, foldedJson, heading, markup, table } from '../report/html.js';
import { plural } from '../table/text-table.js';
import { dateText } from './changes-page.js';
import type { SiteContent } from './site-content.js';

/** A moment from which on something was of other versions. */
interface VersionChange {
  readonly date: string;
  readonly commit: string | null;
  readonly changes: readonly string[];
}

interface Machine {
  readonly testbed: Testbed;
  readonly results: readonly Result[];
  readonly records: readonly DoneRecord[];
}

interface Result {
  readonly date: string;
  readonly commit: string | null;
  readonly dirty: boolean | null;
  readonly versions: Readonly<Record<string, string>>;
}

/** The machines that results are of, with the versions that made them. */
export function machinesPage(content: SiteContent): string {
  const machines = machinesOf(content);
  return markup(
    '<h1>Machines and versions</h1>',
    '<p class="lead">Speed and memory are compared on one machine alone; versions may change within a series, and a step that they make is worth seeing.</p>',
    machines.length === 0 && '<p class="card">There are no finished results yet.</p>',
    ...machines.map(machineSection),
  );
}

function machinesOf({ series, runs }: SiteContent): Machine[] {
  const found = new Map<string, { testbed: Testbed; results: Map<string, Result>; records: DoneRecord[] }>();
  const of = (testbed: Testbed) => {
    const known = found.get(testbed.id) ?? { testbed, results: new Map<string, Result>(), records: [] };
    found.set(testbed.id, known);
    return known;
  };
  for (const { definition, entries } of series)
    for (const { id, date, commit, dirty, versions } of entries)
      of(definition.testbed).results.set(id, { date, commit, dirty, versions });
  for (const record of runs.flatMap(({ records }) => records)) {
    if (record.status !== 'done') continue;
    const { environment, code, startedAt, cell } = record;
    const machine = of(testbedOf(environment));
    machine.records.push(record);
    const isKnown = [...machine.results.values()].some(({ date }) => date === startedAt);
    if (isKnown) continue;
    machine.results.set(`${cell.id} ${startedAt}`, {
      date: startedAt,
      commit: code.commit,
      dirty: code.dirty,
      versions: { node: environment.node, ...environment.backend, ...code.packages },
    });
  }
  return [...found.values()].map(({ testbed, results, records }) => ({
    testbed,
    records,
    results: [...results.values()].toSorted((a, b) => (a.date < b.date ? -1 : 1)),
  }));
}

function machineSection({ testbed, results, records }: Machine): string {
  const newest = newestVersions(results);
  const changes = versionChanges(results);
  const [first, last] = [results[0], results.at(-1)];
  const commits = new Set(results.map(({ commit }) => commit));
  const dirty = results.filter((one) => one.dirty === true).length;
  const newestRecord = records.at(-1);
  return markup(
    heading(testbed.description, `machine-${testbed.id}`),
    '<dl class="facts card">',
    `<dt>results</dt><dd>${results.length}, of ${plural(commits.size, 'commit')}${dirty > 0 ? `; ${dirty} with changes that were not committed` : ''}</dd>`,
    first && last && `<dt>measured</dt><dd>${dateText(first.date)} to ${dateText(last.date)}</dd>`,
    `<dt>folder in a history</dt><dd><code>${escapeHtml(testbed.id)}</code></dd>`,
    '</dl>',
    table(
      'Versions of the newest results',
      [
        { title: 'part', cell: ([name]) => escapeHtml(name) },
        { title: 'version', cell: ([, version]) => escapeHtml(version) },
      ] satisfies Column<readonly [string, string]>[],
      newest,
    ),
    changes.length > 0 &&
      table(
        'When versions changed, the newest first',
        [
          { title: 'date', cell: ({ date }) => dateText(date) },
          {
            title: 'commit',
            cell: ({ commit }) => `<code>${escapeHtml(commit?.slice(0, 10) ?? 'no commit')}</code>`,
          },
          { title: 'what', cell: ({ changes: of }) => of.map(escapeHtml).join('<br>') },
        ] satisfies Column<VersionChange>[],
        changes.toReversed(),
      ),
    newestRecord !== undefined &&
      folded(
        'Environment and code of the newest cell',
        markup(foldedJson('Environment', newestRecord.environment), foldedJson('Code', newestRecord.code)),
      ),
  );
}

/** Of every part its newest version; packages of this suite have one version and one line. */
function newestVersions(results: readonly Result[]): (readonly [string, string])[] {
  const versions = new Map<string, string>();
  for (const { versions: own } of results)
    for (const [name, version] of Object.entries(own)) versions.set(name, version);
  const suite = versions.get('@kora-bench/bench');
  return [...versions].filter(
    ([name, version]) =>
      name === '@kora-bench/bench' || !name.startsWith('@kora-bench/') || version !== suite,
  );
}

/** Against the newest version of each part before: cells of different engines do not have the same parts. */
function versionChanges(results: readonly Result[]): VersionChange[] {
  const known = new Map<string, string>();
  const found: VersionChange[] = [];
  for (const { date, commit, versions } of results) {
    const changes = Object.entries(versions).flatMap(([name, version]) => {
      const before = known.get(name);
      known.set(name, version);
      return before === undefined || before === version ? [] : [`${name} ${before} → ${version}`];
    });
    if (changes.length > 0) found.push({ date, commit, changes });
  }
  return found;
}
