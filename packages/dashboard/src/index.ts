export type * from './charts.js';
export type * from './series.js';

/** The pages' script: a classic one, for `<script src>` or inside the page. */
export const pageScript = new URL('./page.js', import.meta.url);

/** The pages' style sheet. */
export const pageStyle = new URL('./page.css', import.meta.url);
