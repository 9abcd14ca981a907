import { readdir, stat } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { InputError, KoraError } from '@kora-bench/core/errors';
import { lockPath, planPath, recordsFolder } from '../records/run-files.js';
import { escapeHtml, markup } from '../report/html.js';
import { page } from '../report/page.js';
import { ExampleImages } from './example-images.js';
import type { KnownShifts } from './series-data.js';
import type { Site } from './site.js';
import { siteOf } from './site.js';
import type { SiteSource } from './site-content.js';
import { readContent } from './site-content.js';

/** Between two looks at the folders, milliseconds. */
const lookMs = 1000;

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  png: 'image/png',
};

export interface ServedSite {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves a site on this machine alone, and tells its pages when something in the folders has changed.
 * @param port 0 for any that is free
 * @throws InputError where the port is taken
 */
export async function serveSite(sources: readonly SiteSource[], port: number): Promise<ServedSite> {
  const known: KnownShifts = new Map();
  const examples = new ExampleImages();
  const listeners = new Set<ServerResponse>();
  let state = await stateOf(sources);
  let site: Promise<Site> = make();
  // A folder that cannot be read shows as a page, and may be readable at the next look.
  site.catch(() => undefined);

  async function make(): Promise<Site> {
    return siteOf(await readContent(sources), { live: true, known, examples });
  }
  const timer = setInterval(() => void look(), lookMs);
  let looking = false;
  async function look(): Promise<void> {
    if (looking) return;
    looking = true;
    try {
      const now = await stateOf(sources);
      if (now === state) return;
      state = now;
      site = make();
      await site.catch(() => undefined);
      for (const listener of listeners) listener.write('event: changed\ndata: \n\n');
    } finally {
      looking = false;
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const text = error instanceof KoraError ? error.explain() : String(error);
      send(response, 500, 'html', problemPage('This page cannot be made.', text));
    });
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = request.headers.host ?? '';
    // Pages of other sites, whose names may lead here, must not read along.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) {
      send(response, 403, 'html', problemPage('This server is for this machine alone.', host));
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'html', problemPage('Only GET is answered.', request.method ?? ''));
      return;
    }
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': here\n\n');
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
      return;
    }
    const path = decodeURIComponent(pathname).replace(/^\//, '') || 'index.html';
    const { files, images } = await site;
    const makeFile = files.get(path) ?? images.get(path);
    if (makeFile === undefined) send(response, 404, 'html', problemPage('There is no such page.', path));
    else send(response, 200, path.split('.').at(-1)!, await makeFile());
  }
  await listen(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      clearInterval(timer);
      for (const listener of listeners) listener.end();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new InputError('The port cannot be used.', {
          where: '--port',
          expected: 'a port that is free',
          received: error.code === 'EADDRINUSE' ? `${port}, which another program has` : error.message,
          fix: 'Name another one, or 0 for any that is free.',
          cause: error,
        }),
      ),
    );
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

function send(response: ServerResponse, status: number, ending: string, content: string | Uint8Array): void {
  response.writeHead(status, {
    'content-type': types[ending] ?? 'application/octet-stream',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(content);
}

function problemPage(title: string, text: string): string {
  return page({
    title,
    main: markup(
      `<h1>${escapeHtml(title)}</h1>`,
      `<pre>${escapeHtml(text)}</pre>`,
      '<p><a href="/">To the first page</a></p>',
    ),
  });
}

/** What the folders look like: changes with every file that a site is made from. */
async function stateOf(sources: readonly SiteSource[]): Promise<string> {
  const parts = await Promise.all(
    sources.map(async ({ kind, path }) => {
      if (kind === 'history') {
        const folders = await readdir(path).catch(() => []);
        return Promise.all(folders.map((folder) => filesIn(join(path, folder))));
      }
      // A process that has the folder touches its lock again and again; what counts is whether there is one.
      const lock = await stat(lockPath(path)).then(
        () => 'running',
        () => 'at rest',
      );
      return [lock, await fileState(planPath(path)), await filesIn(recordsFolder(path))];
    }),
  );
  return JSON.stringify(parts);
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.sort().map((name) => fileState(join(folder, name))));
}

function fileState(path: string): Promise<string> {
  return stat(path).then(
    ({ mtimeMs, size }) => `${path} ${mtimeMs} ${size}`,
    () => `${path} gone`,
  );
}
