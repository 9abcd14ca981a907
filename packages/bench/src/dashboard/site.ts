import { readFile } from 'node:fs/promises';
import { embeddedJson, markup } from '../report/html.js';
import type { PageLink } from '../report/page.js';
import { page, siteAssets } from '../report/page.js';
import { cellPage } from './cell-page.js';
import { newestChanges } from './changes.js';
import { changesPage, problemsNote } from './changes-page.js';
import { ExampleImages } from './example-images.js';
import { machinesPage } from './machines-page.js';
import type { MethodGroup } from './methods.js';
import { methodsPage } from './methods-page.js';
import { cellPath, runPath, runsPage, siteRunPage } from './runs-page.js';
import type { KnownShifts, SeriesData } from './series-data.js';
import { partName, seriesData } from './series-data.js';
import type { SiteContent } from './site-content.js';

/** What a file of a site has in it, made when it is asked for. */
export type MakeFile = () => Promise<string | Uint8Array>;

/** A site as files, by their addresses. */
export interface Site {
  readonly files: ReadonlyMap<string, MakeFile>;
  /** Images of pages that have been made so far, which are files, too. */
  readonly images: ReadonlyMap<string, MakeFile>;
}

export interface SiteSettings {
  /** Whether a server tells the pages of changes. */
  readonly live: boolean;
  /** What was found out for an earlier state of the site. */
  readonly known?: KnownShifts;
  readonly examples?: ExampleImages;
}

const pages = [
  { title: 'Changes', path: 'index.html' },
  { title: 'Methods', path: 'methods.html' },
  { title: 'Series', path: 'series.html' },
  { title: 'Runs', path: 'runs.html' },
  { title: 'Machines', path: 'machines.html' },
] as const;
type PageTitle = (typeof pages)[number]['title'];

/** The files of a site. Reading and computing happens when one of them is made. */
export function siteOf(
  content: SiteContent,
  { live, known = new Map(), examples = new ExampleImages() }: SiteSettings,
): Site {
  const images = new Map<string, MakeFile>();
  const whole = (path: string, current: PageTitle, title: string, main: string) => {
    const root = '../'.repeat(path.split('/').length - 1);
    const links = pages.map((one): PageLink => ({ title: one.title, href: `${root}${one.path}` }));
    return page({ title: `${title} · KoRA Bench`, main, site: { root, links, current, live } });
  };
  let found: SeriesData | undefined;
  const series = () => {
    found ??= seriesData(content.series, known);
    return found;
  };
  const files = new Map<string, MakeFile>();
  const add = (path: string, current: PageTitle, title: string, main: () => string | Promise<string>) =>
    files.set(path, async () => whole(path, current, title, await main()));
  add('index.html', 'Changes', 'What changed', async () =>
    changesPage(content, await newestChanges(content), series()),
  );
  add('methods.html', 'Methods', 'Methods', () =>
    methodsPage(content, (group) => linkOfGroup(group, content)),
  );
  add('series.html', 'Series', 'Series', () => seriesPage(content, series()));
  add('runs.html', 'Runs', 'Runs', () => runsPage(content));
  add('machines.html', 'Machines', 'Machines and versions', () => machinesPage(content));
  for (const run of content.runs) {
    add(runPath(run), 'Runs', run.name, () => siteRunPage(run));
    for (const record of run.records) {
      add(cellPath(run, record.cell), 'Runs', record.cell.id, async () => {
        const made = await cellPage(run, record, examples);
        for (const { path, make } of made.images) images.set(path, make);
        return made.main;
      });
    }
  }
  for (const [name, url] of siteAssets) files.set(`assets/${name}`, () => readFile(url));
  for (const { file } of content.series) {
    const name = partName(file);
    files.set(`data/series/${name}.js`, async () => {
      const part = series().parts.get(name);
      return part === undefined ? '' : `koraBenchPart(${JSON.stringify(name)}, ${JSON.stringify(part)});\n`;
    });
  }
  return { files, images };
}

/** A group's page: that of its cell or its run where there is one, else its series. */
function linkOfGroup({ cells, label }: MethodGroup, { runs }: SiteContent): string {
  for (const run of runs) {
    const own = cells.filter(({ source }) => source?.runDir === run.runDir);
    if (own.length === 1) return cellPath(run, own[0]!.source!.record.cell);
    if (own.length > 1) return `${runPath(run)}#cells`;
  }
  return `series.html#${new URLSearchParams({ 'series.filter': label })}`;
}

function seriesPage({ hasHistory, problems }: SiteContent, { index }: SeriesData): string {
  return markup(
    '<h1>Series over time</h1>',
    '<p class="lead">Every measure of every series, with its level, the noise it moves in by itself, and where it shifts.</p>',
    problemsNote(problems),
    index.lines.length === 0
      ? `<p class="card">${hasHistory ? 'The history is empty.' : 'No history was named.'} <code>kora-bench history add RUN</code> adds the finished cells of a run.</p>`
      : markup(
          '<noscript><p class="notes">This page needs JavaScript. <code>kora-bench history list</code> prints the series.</p></noscript>',
          '<div data-widget="series" data-parts="data/series/">',
          embeddedJson(index),
          '</div>',
        ),
  );
}
