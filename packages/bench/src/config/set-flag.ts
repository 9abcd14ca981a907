import { InputError } from '@kora-bench/core/errors';
import { suggestion } from '../input/check-input.js';

/** Lays one `path=value` over a configuration; what is wrong with it shows when the whole is checked. */
export function setField(config: unknown, text: string): unknown {
  const at = text.indexOf('=');
  if (at <= 0) {
    throw new InputError('--set is not valid.', {
      where: '--set',
      expected: 'path=value, e.g. phases.source.training.epochs=3',
      received: text,
      fix: 'Write the path of a field, an equals sign and its value.',
    });
  }
  return changed(config, text.slice(0, at).split('.'), jsonOrText(text.slice(at + 1)), text);
}

function changed(value: unknown, path: readonly string[], to: unknown, text: string): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return to;
  if (Array.isArray(value)) {
    const at = entryAt(value, key);
    if (at < 0) {
      const names = value.map((entry, index) => entryName(entry) ?? String(index));
      throw new InputError(`--set names no entry "${key}".`, {
        where: `--set ${text}`,
        expected: `one of ${names.join(', ')}`,
        received: key,
        fix: suggestion(key, names, 'Choose one of these.'),
      });
    }
    return value.with(at, changed(value[at], rest, to, text));
  }
  const inner = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return { ...inner, [key]: changed(inner[key], rest, to, text) };
}

function entryAt(entries: readonly unknown[], key: string): number {
  return entries.findIndex((entry, index) => entryName(entry) === key || String(index) === key);
}

function entryName(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  const { label, name } = (entry ?? {}) as { label?: string; name?: string };
  return label ?? name;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** `phases[2].training.epochs` for `phases.depth.training.epochs=3`. */
export function fieldOf(text: string, config: object): string {
  let value: unknown = config;
  return text
    .slice(0, Math.max(0, text.indexOf('=')))
    .split('.')
    .reduce((field, key) => {
      const at = Array.isArray(value) ? entryAt(value, key) : -1;
      value = Array.isArray(value)
        ? value[at]
        : (value as Readonly<Record<string, unknown>> | undefined)?.[key];
      return at >= 0 ? `${field}[${at}]` : field === '' ? key : `${field}.${key}`;
    }, '');
}
