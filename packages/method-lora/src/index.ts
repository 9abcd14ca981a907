import { lora } from './method.js';

export type { LoraOptions } from './options.js';
export type { LoadedAdapter, PeftAdapter } from './peft-adapter.js';
export { fromPeftAdapter, toPeftAdapter } from './peft-adapter.js';
export type { PeftLoraConfig } from './peft-config.js';
export default lora;
