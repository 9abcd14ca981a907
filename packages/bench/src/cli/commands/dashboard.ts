import { join, resolve } from 'node:path';
import { serveSite } from '../../dashboard/serve-site.js';
import { siteOf } from '../../dashboard/site.js';
import type { SiteSource } from '../../dashboard/site-content.js';
import { findSources, readContent } from '../../dashboard/site-content.js';
import { writeSite } from '../../dashboard/write-site.js';
import { plural } from '../../table/text-table.js';
import { exitCode, printMessage, printResult, signalExitCodes } from './output.js';

export interface DashboardOptions {
  /** The site's folder. */
  readonly out: string;
}

/** Writes a site of a history and of runs, and prints where its first page is. */
export async function dashboard(names: readonly string[], { out }: DashboardOptions): Promise<number> {
  printResult(await writeDashboard(names, out));
  return exitCode.done;
}

/**
 * Writes a site of a history and of runs.
 * @returns the path of its first page
 */
export async function writeDashboard(names: readonly string[], out: string): Promise<string> {
  const sources = await findSources(names);
  if (names.length === 0) printMessage(`Shown: ${shownText(sources)}.`);
  const content = await readContent(sources);
  for (const problem of content.problems) printMessage(`Left out: ${problem}`);
  const folder = resolve(out);
  const { files, bytes } = await writeSite(folder, siteOf(content, { live: false }));
  printMessage(`${plural(files, 'file')}, ${(bytes / 1e6).toFixed(1)} MB.`);
  return join(folder, 'index.html');
}

export interface ServeOptions {
  readonly port: number;
}

/** Serves the same site, which shows what changes in the folders, until the process is told to end. */
export async function serve(names: readonly string[], { port }: ServeOptions): Promise<number> {
  const sources = await findSources(names);
  // What cannot be shown at all is an error before anybody opens a page.
  const content = await readContent(sources);
  for (const problem of content.problems) printMessage(`Left out: ${problem}`);
  const served = await serveSite(sources, port);
  printMessage(`Shown: ${shownText(sources)}. Ctrl-C ends it.`);
  printResult(served.url);
  const signal = await new Promise<keyof typeof signalExitCodes>((resolveSignal) => {
    for (const name of Object.keys(signalExitCodes) as (keyof typeof signalExitCodes)[])
      process.once(name, () => resolveSignal(name));
  });
  await served.close();
  return signalExitCodes[signal];
}

function shownText(sources: readonly SiteSource[]): string {
  return sources.map(({ kind, path }) => `the ${kind} ${path}`).join(', ');
}
