/* Reading and writing safetensors. */
export type { SafetensorsDType } from './safetensors/element-types.js';
export {
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from './safetensors/header.js';
export { decodeSafetensor, readSafetensors, type SafetensorsContent } from './safetensors/read.js';
export { type WriteSafetensorsOptions, writeSafetensors } from './safetensors/write.js';
