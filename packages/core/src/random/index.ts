export { normalQuantile } from './normal-quantile.js';
export { type PhiloxCounter, type PhiloxKey, philox4x32 } from './philox.js';
export { type RandomStream, randomStream } from './random-stream.js';
