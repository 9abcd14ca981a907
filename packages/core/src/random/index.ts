export { normalQuantile } from './normal-quantile.js';
export { type PhiloxCounter, type PhiloxKey, philox4x32 } from './philox.js';
export { randomStream } from './philox-stream.js';
export type { RandomStream } from './random-stream.js';
