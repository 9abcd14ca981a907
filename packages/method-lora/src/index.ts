import { lora } from './method.js';

export { type LoraOptions, optionsSchema as loraOptions, scaleOf } from './options.js';
export {
  type AdaptedLayer,
  adaptedLayers,
  type LayerOptions,
  loraParameters,
  matrixA,
  matrixB,
  trainsBias,
} from './parameters.js';
export type { LoadedAdapter } from './peft-adapter.js';
export { fromPeftAdapter, toPeftAdapter } from './peft-adapter.js';
export { readLoraLayers, writeLoraModules } from './peft-form.js';
export { loraModules } from './peft-fusion.js';
export default lora;
