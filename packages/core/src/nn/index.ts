export * from './position-embedding.js';
export * from './site.js';
export * from './vit.js';
export * from './vit-config.js';
export * from './vit-weights.js';
