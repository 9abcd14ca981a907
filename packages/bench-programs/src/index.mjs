export { matrixProduct } from './matrix-product.mjs';
export { vitLoraStep, vitTiny, vitTrainStep } from './vit-train-step.mjs';
