export type { SafetensorsDType } from './element-types.js';
export {
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from './header.js';
export { decodeSafetensor, readSafetensors, type SafetensorsContent } from './read.js';
export { type WriteSafetensorsOptions, writeSafetensors } from './write.js';
