/* Counter-based randomness: the same numbers everywhere. */
export { normalQuantile } from './random/normal-quantile.js';
export { type PhiloxCounter, type PhiloxKey, philox4x32 } from './random/philox.js';
export { type RandomStream, randomStream } from './random/random-stream.js';
