/** Bytes per element of the format's element types. */
export const SAFETENSORS_ITEM_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

/** An element type by its name in a safetensors header. */
export type SafetensorsDType = keyof typeof SAFETENSORS_ITEM_BYTES;

export function isSafetensorsDType(name: unknown): name is SafetensorsDType {
  return typeof name === 'string' && Object.hasOwn(SAFETENSORS_ITEM_BYTES, name);
}
