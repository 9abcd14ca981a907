export { matrixProduct } from './matrix-product.mjs';
export { vitLoraStep, vitTiny } from './vit-lora-step.mjs';
