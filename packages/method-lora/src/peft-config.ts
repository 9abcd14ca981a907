import { FormatError } from '@kora-bench/core/errors';
import { z } from 'zod';
import type { LoraOptions } from './options.js';

/** The fields of peft's `adapter_config.json` that this package writes; peft fills in the rest. */
export interface PeftLoraConfig {
  readonly peft_type: 'LORA';
  readonly task_type: null;
  readonly base_model_name_or_path: string;
  readonly inference_mode: boolean;
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  readonly lora_dropout: number;
  readonly bias: 'none';
  readonly fan_in_fan_out: boolean;
  readonly target_modules: readonly string[];
  readonly modules_to_save: readonly string[] | null;
}

const empty = z.union([z.null(), z.record(z.string(), z.never()), z.array(z.never())]);

/**
 * What a readable configuration looks like. Fields that change the forward pass or the base weights in a
 * way that plain LoRA cannot express must be absent or off; other unknown fields are peft's own business.
 */
const configSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().min(1).max(1024),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  modules_to_save: z.array(z.literal('head')).nullish(),
  bias: z.literal('none').default('none'),
  fan_in_fan_out: z.literal(false).default(false),
  use_dora: z.literal(false).default(false),
  lora_bias: z.literal(false).default(false),
  use_qalora: z.literal(false).default(false),
  rank_pattern: empty.optional(),
  alpha_pattern: empty.optional(),
  layer_replication: empty.optional(),
  target_parameters: empty.optional(),
  trainable_token_indices: empty.optional(),
  alora_invocation_tokens: empty.optional(),
  use_bdlora: empty.optional(),
  arrow_config: empty.optional(),
  kasa_config: empty.optional(),
  monteclora_config: empty.optional(),
  velora_config: empty.optional(),
  // PiSSA, OLoRA, CorDA and LoftQ start from changed base weights, which the adapter's files don't hold.
  init_lora_weights: z.union([z.boolean(), z.enum(['gaussian', 'orthogonal', 'eva'])]).default(true),
});

export type ReadablePeftConfig = z.infer<typeof configSchema>;

/** @throws FormatError naming the field that is missing, wrong or not supported */
export function parsePeftConfig(json: string): ReadablePeftConfig {
  const where = 'adapter_config.json';
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new FormatError('The adapter’s configuration is not JSON.', {
      where,
      expected: 'a JSON object',
      cause,
    });
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FormatError('This adapter cannot be read as plain LoRA.', {
    where: [where, ...issue.path.map(String)].join('.').replace('.json.', '.json: '),
    expected: issue.message,
    received: JSON.stringify(valueAt(value, issue.path)) ?? 'nothing',
    fix: 'Save a LoRA adapter without DoRA, biases, per-layer ranks or an initialisation that changes the base weights.',
  });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
}

/** peft's r, lora_alpha and use_rslora for the same factor; peft has no rule `alpha`, so α·r stands in for it. */
export function peftScaling({
  rank,
  alpha,
  scaling,
}: LoraOptions): Pick<PeftLoraConfig, 'r' | 'lora_alpha' | 'use_rslora'> {
  return {
    r: rank,
    lora_alpha: scaling === 'alpha' ? alpha * rank : alpha,
    use_rslora: scaling === 'alpha/sqrt(r)',
  };
}
