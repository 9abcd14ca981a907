const warned = new Set<string>();

/**
 * Emits a process warning (`process.on('warning')`, on stderr by default), once per `key` and process.
 */
export function warnOnce(key: string, message: string): void {
  if (warned.has(key)) return;
  warned.add(key);
  process.emitWarning(message, { type: 'CacheWarning', code: 'KORA_CACHE' });
}
