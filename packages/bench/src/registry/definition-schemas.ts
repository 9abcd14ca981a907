import { z } from 'zod';
import type { RegistryKind } from './default-packages.js';

const callable = z.custom<(...values: never) => unknown>((value) => typeof value === 'function', {
  error: 'is not a function',
});
const optionsSchema = z.custom<z.ZodType>(
  (value) => typeof (value as { safeParse?: unknown } | null | undefined)?.safeParse === 'function',
  { error: 'is not a zod schema' },
);
const name = z
  .string()
  .regex(/^[^\s,:]+$/, { error: 'is not a name: no spaces, commas or colons, and not empty' });
const described = { name, description: z.string() };

/** What a registered definition must have at least, so that a malformed plugin is told at once. */
export const definitionSchemas = {
  methods: z.object({ ...described, source: z.string(), options: optionsSchema, parameters: callable }),
  backends: z.object({
    ...described,
    defaultDevice: z.string(),
    devices: z.array(z.string()).min(1),
    options: optionsSchema,
    create: callable,
    probe: callable,
  }),
  models: z.object({
    ...described,
    config: z.record(z.string(), z.unknown()),
    preprocessing: z.record(z.string(), z.unknown()),
    embedded: z.boolean(),
    howToGet: z.string(),
    load: callable,
  }),
  datasets: z.object({
    ...described,
    task: z.enum(['classification', 'depth']),
    classes: z.int().min(0),
    embedded: z.boolean(),
    howToGet: z.string(),
    open: callable,
    verify: callable,
  }),
} as const satisfies Record<RegistryKind, z.ZodType>;
