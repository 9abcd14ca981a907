export * from './acceptable-outcome.js';
export * from './mutations.js';
