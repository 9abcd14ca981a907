import type { OptionFault } from '@kora-bench/core/peft';
import { basisFaults, basisFields, completeBasis } from '@kora-bench/core/peft';
import { z } from 'zod';

const fields = z.strictObject({
  /** r, the rank of the q, k and v adapters: 1 … 1024. */
  rank: z.int().min(1).max(1024).default(8),
  /** α of the factor α/r on the adapters' deltas: above 0. */
  alpha: z.number().positive().default(8),
  /**
   * What composes the deltas of q, k and v: `mlp` as published; `linear`, the same without its activation;
   * `attention` among the three; `cross-block`, where they attend to those of the blocks before as well; or `none`,
   * where each goes to its own projection.
   */
  composition: z.enum(['mlp', 'linear', 'attention', 'cross-block', 'none']).default('mlp'),
  /** d_comp, the width of the composition: 1 … 4096. Not with `none`. */
  dComp: z.int().min(1).max(4096).optional(),
  /** Layers with an activation in an `mlp`: 1 … 8. */
  hiddenLayers: z.int().min(1).max(8).optional(),
  /** The activation of an `mlp`. */
  activation: z.enum(['gelu', 'silu', 'relu']).optional(),
  /** Heads of `attention` and `cross-block`; they divide d_comp. */
  heads: z.int().min(1).max(64).optional(),
  /** What the composed delta is added to; with `none` every delta goes to its own projection. */
  target: z.enum(['v', 'q-and-v', 'output', 'own']).optional(),
  /**
   * The factor on what is added: learnable, one per block (`scalar`), per channel or per token; fixed at `gateStart`
   * (`frozen`); or left out (`none`).
   */
  gate: z.enum(['scalar', 'channel', 'token', 'frozen', 'none']).default('scalar'),
  /** Where the gate starts; 0 unless it is frozen. */
  gateStart: z.number().min(-100).max(100).optional(),
  /** Whether q, k and v share A. */
  sharedA: z.boolean().default(false),
  /**
   * `live`: B starts as an nn.Linear's weight does, so the composed delta differs from 0 and the gate
   * receives a gradient. `dead`: B starts at zero, as in LoRA; with the gate at zero too, no gradient
   * ever differs from 0.
   */
  init: z.enum(['live', 'dead']).default('live'),
  ...basisFields('linear'),
});

type Given = z.output<typeof fields>;

/** Complete options of `kora`: what a composition, a gate or a basis does not have is absent. */
export type KoraOptions = Given & { readonly target: NonNullable<Given['target']> };

/** Options of `kora`; unknown ones are rejected, and those that exclude each other. */
export const optionsSchema: z.ZodType<KoraOptions> = fields
  .superRefine((given, context) => {
    for (const { field, message } of [...faultsOf(given), ...basisFaults(given)])
      context.addIssue({ code: 'custom', path: [field], message });
  })
  .transform((given) => completeBasis(complete(given)));

function attends({ composition }: Pick<Given, 'composition'>): boolean {
  return composition === 'attention' || composition === 'cross-block';
}

/** What is filled in where a user says nothing. */
function complete(given: Given): KoraOptions {
  const { composition, gate } = given;
  const dComp = given.dComp ?? 8;
  return {
    ...given,
    ...(composition !== 'none' && { dComp }),
    ...(composition === 'mlp' && {
      hiddenLayers: given.hiddenLayers ?? 1,
      activation: given.activation ?? 'gelu',
    }),
    ...(attends(given) && { heads: given.heads ?? (dComp % 2 === 0 ? 2 : 1) }),
    target: given.target ?? (composition === 'none' ? 'own' : 'v'),
    ...(gate !== 'none' && { gateStart: given.gateStart ?? (gate === 'frozen' ? 1 : 0) }),
  };
}

function faultsOf(given: Given): OptionFault[] {
  const { composition, dComp, hiddenLayers, activation, heads, target, gate, gateStart } = given;
  const faults: OptionFault[] = [];
  const only = (field: keyof Given, given: unknown, allowed: boolean, owners: string) => {
    if (given !== undefined && !allowed)
      faults.push({ field, message: `left out: only ${owners}, and this is ${composition}` });
  };
  only('dComp', dComp, composition !== 'none', 'a composition has a width');
  only('hiddenLayers', hiddenLayers, composition === 'mlp', 'the composition mlp has hidden layers');
  only('activation', activation, composition === 'mlp', 'the composition mlp has an activation');
  only('heads', heads, attends(given), 'the compositions attention and cross-block have heads');
  const width = dComp ?? 8;
  if (heads !== undefined && attends(given) && width % heads !== 0)
    faults.push({ field: 'heads', message: `a divisor of dComp, which is ${width}` });
  if (target !== undefined && (target === 'own') !== (composition === 'none')) {
    const message =
      composition === 'none'
        ? 'own: without a composition each delta goes to its own projection'
        : 'v, q-and-v or output: own is for the composition none';
    faults.push({ field: 'target', message });
  }
  if (gate === 'none' && gateStart !== undefined)
    faults.push({ field: 'gateStart', message: 'left out: the gate none has no start' });
  if (gate === 'frozen' && gateStart === 0)
    faults.push({
      field: 'gateStart',
      message: 'a number other than 0: behind a gate frozen at 0 nothing trains',
    });
  return faults;
}
