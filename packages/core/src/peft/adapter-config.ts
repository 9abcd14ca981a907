import type { z } from 'zod';
import { FormatError } from '../errors/kora-error.js';
import type { PeftConfig } from './peft-form.js';

/** The file that holds an adapter's configuration. */
export const adapterConfigFile = 'adapter_config.json';

/** @throws FormatError where the text is not a JSON object */
export function parsePeftConfig(text: string): PeftConfig {
  const refuse = (cause?: unknown) =>
    new FormatError('The adapter’s configuration is not JSON.', {
      where: adapterConfigFile,
      expected: 'a JSON object',
      received: cause instanceof Error ? cause.message : 'another kind of value',
      fix: 'Copy or download the file again.',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse(cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse();
  // In peft a field that is null is not set.
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
}

/**
 * The fields of a configuration that a method reads.
 * @param schema its messages say what was expected, as in `an integer from 1`
 * @throws FormatError naming the field
 */
export function readPeftFields<T>(config: PeftConfig, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const received = path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key],
    config,
  );
  throw new FormatError(
    received === undefined
      ? 'The adapter’s configuration lacks a field.'
      : 'A field of the adapter’s configuration has a value that it cannot have here.',
    {
      where: `${adapterConfigFile}: ${path.join('.')}`,
      expected: message,
      received: shown(received),
      fix: mergeInPython,
    },
  );
}

/** What helps with an adapter that peft can load and this suite cannot. */
export const mergeInPython =
  'If peft loads it as it is, call merge_and_unload() there, save the model, and use it as a checkpoint.';

/** The error for a field that turns on what a method cannot express. */
export function unsupportedField(field: string, feature: string, value: unknown): FormatError {
  return new FormatError(`This adapter uses ${feature}, which is not supported.`, {
    where: `${adapterConfigFile}: ${field}`,
    expected: 'an adapter without it',
    received: shown(value),
    fix: mergeInPython,
  });
}

/**
 * Refuses fields that change what an adapter computes and that its method does not read. A switch (`use_…`) or a
 * group of settings (`…_config`) that is not known counts as one; other fields that are not known do not.
 * @param features what fields turn on, in words
 * @param harmless fields that the method reads, or that change nothing once an adapter is trained
 * @throws FormatError naming the field
 */
export function refuseFeatures(
  config: PeftConfig,
  features: Readonly<Record<string, string>>,
  harmless: readonly string[] = [],
): void {
  for (const [field, value] of Object.entries(config)) {
    if (isOff(value) || harmless.includes(field)) continue;
    const known = Object.hasOwn(features, field) ? features[field] : undefined;
    if (known !== undefined) throw unsupportedField(field, known, value);
    if (/^use_|_config$/.test(field)) throw unsupportedField(field, `the setting ${field}`, value);
  }
}

function isOff(value: unknown): boolean {
  if (value === false || value === 0 || value === 'none') return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
