import { readFileSync } from 'node:fs';
import { pageScript, pageStyle } from '@kora-bench/dashboard';
import { escapeHtml, markup } from './html.js';

export interface PageLink {
  readonly title: string;
  /** Relative to the page. */
  readonly href: string;
}

export interface PageSpec {
  readonly title: string;
  /** Markup of the main part. */
  readonly main: string;
  /** The pages of a site; a page without is one file by itself, with script and styles inside. */
  readonly site?: {
    /** Address of the site's folder from the page, empty or with a slash at its end. */
    readonly root: string;
    readonly links: readonly PageLink[];
    /** Title of the link that the page belongs to. */
    readonly current: string;
    /** Whether a server tells the page of changes. */
    readonly live: boolean;
  };
}

/** Files of a site that all pages load, by name. */
export const siteAssets: ReadonlyMap<string, URL> = new Map([
  ['page.css', pageStyle],
  ['page.js', pageScript],
]);

const icon = `<svg width="24" height="24" viewBox="0 0 24 24" aria-hidden="true"><rect x="2" y="13" width="5" height="9" rx="1.5" fill="#56b4e9"/><rect x="9.5" y="8" width="5" height="14" rx="1.5" fill="#0072b2"/><rect x="17" y="2" width="5" height="20" rx="1.5" fill="#d55e00"/></svg>`;
const iconAddress = `data:image/svg+xml,${encodeURIComponent(icon.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" '))}`;

/** A whole page: its head, the navigation of the site, the main part, and what makes charts and tables work. */
export function page({ title, main, site }: PageSpec): string {
  return `${markup(
    `<!doctype html><html lang="en"${site?.live === true ? ' data-live' : ''}><head><meta charset="utf-8">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    `<link rel="icon" href="${iconAddress}">`,
    site === undefined
      ? `<style>${readFileSync(pageStyle, 'utf8')}</style>`
      : `<link rel="stylesheet" href="${site.root}assets/page.css">`,
    '</head><body><a class="skip" href="#main">To the content</a>',
    '<header class="site-header">',
    site === undefined
      ? `<span class="brand">${icon}KoRA Bench</span>`
      : markup(
          `<a class="brand" href="${site.root}index.html">${icon}KoRA Bench</a>`,
          `<nav aria-label="Pages">${site.links.map((link) => navigationLink(link, site.current)).join('')}</nav>`,
          site.live && '<span id="live" data-state="waiting">connecting</span>',
        ),
    '</header>',
    `<main id="main" tabindex="-1">${main}</main>`,
    '<div id="announcer" class="unseen" role="status"></div>',
    site === undefined
      ? `<script>${readFileSync(pageScript, 'utf8').replaceAll('</script', '<\\/script')}</script>`
      : `<script src="${site.root}assets/page.js"></script>`,
    '</body></html>',
  )}\n`;
}

function navigationLink({ title, href }: PageLink, current: string): string {
  return `<a href="${href}"${title === current ? ' aria-current="page"' : ''}>${escapeHtml(title)}</a>`;
}
