export * from './data/image-split.js';
export * from './data/preprocessing.js';
export * from './errors/kora-error.js';
export * from './graph/shape.js';
export * from './nn/vit-config.js';
export * from './tensor/host-tensor.js';
