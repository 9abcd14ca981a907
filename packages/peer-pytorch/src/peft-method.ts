import { InputError } from '@kora-bench/core/errors';
import { z } from 'zod';

/** A method as peft is asked for it. */
export interface PeftAdapter {
  /** The class of peft that configures it. */
  readonly config: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Whether a parameter is left out there, since no output depends on it. */
  isLeftOut(name: string): boolean;
}

/** Methods without parameters of their own: what trains is named, and PyTorch needs no library for it. */
const withoutAdapter: readonly string[] = ['linear-probe', 'full', 'bitfit'];

/** Layers that timm has as modules of their own; q, k and v are one there. */
const targets = z
  .union([z.literal('all-linear'), z.array(z.enum(['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2']))])
  .transform((list) => {
    const names = list === 'all-linear' ? ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'] : list;
    return { target_modules: `blocks\\.\\d+\\.(${names.join('|').replaceAll('.', '\\.')})` };
  });

const lowRank = z
  .object({
    rank: z.int(),
    alpha: z.number(),
    scaling: z.enum(['alpha', 'alpha/r', 'alpha/sqrt(r)']),
    targets,
  })
  .transform(({ rank, alpha, scaling, targets: layers }) => ({
    ...layers,
    r: rank,
    // peft divides by the rank or its root, never by nothing.
    lora_alpha: scaling === 'alpha' ? alpha * rank : alpha,
    use_rslora: scaling === 'alpha/sqrt(r)',
  }));

/** Methods of this suite that peft has, by name: what they take from the options, and the configuration. */
const adapters: Readonly<Record<string, { readonly config: string; readonly options: z.ZodType }>> = {
  lora: {
    config: 'LoraConfig',
    // LoRA+ is a factor on the learning rate, which travels with the parameters.
    options: lowRank.and(z.object({ dropout: z.literal(0) }).transform(() => ({}))),
  },
  dora: {
    config: 'LoraConfig',
    options: lowRank.transform((lora) => ({ ...lora, use_dora: true })),
  },
  vera: {
    config: 'VeraConfig',
    options: z
      .object({ rank: z.int(), targets })
      .transform(({ rank, targets: layers }) => ({ ...layers, r: rank, projection_prng_key: 0 })),
  },
  oft: {
    config: 'OFTConfig',
    options: z
      .object({ blockSize: z.int(), neumannTerms: z.int(), targets })
      .transform(({ blockSize, neumannTerms, targets: layers }) => ({
        ...layers,
        oft_block_size: blockSize,
        use_cayley_neumann: true,
        num_cayley_neumann_terms: neumannTerms,
      })),
  },
};

/**
 * A method in peft's words; `undefined` where the model's own weights train and nothing is added.
 * @throws InputError for a method, or options of it, that neither peft nor plain PyTorch has
 */
export function peftAdapter(method: {
  readonly name: string;
  readonly options: unknown;
}): PeftAdapter | undefined {
  if (withoutAdapter.includes(method.name)) return undefined;
  const adapter = adapters[method.name];
  const options = adapter?.options.safeParse(method.options);
  if (adapter !== undefined && options?.success)
    return {
      config: adapter.config,
      arguments: options.data as Readonly<Record<string, unknown>>,
      // The published LoRA counts an adapter on the classifier that its forward pass does not read.
      isLeftOut: (name) => name.startsWith('unused_classifier.'),
    };
  const issue = options?.error?.issues[0];
  throw new InputError(
    adapter === undefined
      ? `timm and peft have no ${method.name} to be measured beside.`
      : `peft has no ${method.name} with these options to be measured beside.`,
    {
      where: issue === undefined ? 'method' : `options.${issue.path.join('.')}`,
      expected:
        adapter === undefined
          ? `one of ${[...withoutAdapter, ...Object.keys(adapters)].join(', ')}`
          : 'targets among attn.qkv, attn.proj, mlp.fc1, mlp.fc2 (timm has no q, k and v apart) and no dropout, whose draws differ',
      received: adapter === undefined ? method.name : JSON.stringify(method.options),
      fix:
        adapter === undefined
          ? 'Choose one of these with --method, or leave --peers pytorch out.'
          : 'Choose a preset or a suite with such options, or leave --peers pytorch out.',
    },
  );
}
