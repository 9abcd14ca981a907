/* Reading and writing safetensors. */
export {
  float16ToFloat32,
  float32ToFloat16,
  type SafetensorsDType,
} from './safetensors/element-types.js';
export {
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from './safetensors/header.js';
export { decodeSafetensor, readSafetensors, type SafetensorsContent } from './safetensors/read.js';
export { type WriteSafetensorsOptions, writeSafetensors } from './safetensors/write.js';
