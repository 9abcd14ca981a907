export { decodeSafetensor } from './decode.js';
export type { SafetensorsDType } from './dtype.js';
export {
  parseSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from './header.js';
export { readSafetensors, type SafetensorsContent } from './read.js';
export { type WriteSafetensorsOptions, writeSafetensors } from './write.js';
