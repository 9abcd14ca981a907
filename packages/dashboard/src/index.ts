export { pageScript, pageStyle } from './bundle.js';
export type * from './charts.js';
export type * from './series.js';
