export * from './toy-vit.js';
