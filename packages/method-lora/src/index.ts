import { lora } from './method.js';

export { type LoraOptions, optionsSchema as loraOptions, scaleOf } from './options.js';
export { adaptedLayers, loraParameters, matrixA, matrixB } from './parameters.js';
export type { LoadedAdapter, PeftAdapter } from './peft-adapter.js';
export { fromPeftAdapter, toPeftAdapter } from './peft-adapter.js';
export type { PeftLoraConfig } from './peft-config.js';
export default lora;
