export * from './blocks.js';
export * from './method.js';
export * from './parameter.js';
