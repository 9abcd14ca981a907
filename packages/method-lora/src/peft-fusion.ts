import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { PeftConfig } from '@kora-bench/core/peft';
import { layersForAdapters, requireParameter } from '@kora-bench/core/peft';
import type { LoraOptions } from './options.js';
import type { AdaptedLayer } from './parameters.js';
import { matrixA, matrixB } from './parameters.js';

/** A module of timm's model with LoRA's matrices: a layer, or a fused one with those of its parts. */
export interface LoraModule {
  /** E.g. `blocks.3.attn.qkv`. */
  readonly name: string;
  /** `[r, in]` and `[out, r]`. */
  readonly a: HostTensor;
  readonly b: HostTensor;
  readonly scale: number;
  /** The layers that it stands for. */
  readonly layers: readonly AdaptedLayer[];
}

/**
 * Adapters as peft can address them. Those of q, k and v become one of the fused layer: their A one below the other,
 * their B on the diagonal, with the sum of their ranks. With `minus` (PiSSA's start) each adapter is the difference
 * from it, of twice the rank.
 */
export function loraModules(
  model: Architecture,
  layers: readonly AdaptedLayer[],
  values: Weights,
  minus?: Weights,
): LoraModule[] {
  return [...new Set(layers.map(({ weight }) => weight))].map((weight) => {
    const parts = layers.filter((layer) => layer.weight === weight);
    const [first] = parts as [AdaptedLayer];
    const matrices = parts.map((layer) => matricesOf(layer, values, minus));
    const name = weight.slice(0, -'.weight'.length);
    if (first.rows === undefined) return { name, ...matrices[0]!, scale: first.scale, layers: parts };
    const rank = matrices.reduce((sum, { a }) => sum + a.shape[0]!, 0);
    const outFeatures = model.weights.get(weight)![0]!;
    const a = new Float32Array(rank * first.inFeatures);
    const b = new Float32Array(outFeatures * rank);
    let column = 0;
    matrices.forEach((matrix, index) => {
      const { rows, scale } = parts[index]!;
      const own = matrix.a.shape[0]!;
      a.set(matrix.a.data, column * first.inFeatures);
      for (let i = 0; i < matrix.b.data.length; i++) {
        const row = rows![0] + Math.floor(i / own);
        b[row * rank + column + (i % own)] = (matrix.b.data[i]! * scale) / first.scale;
      }
      column += own;
    });
    return {
      name,
      a: hostTensor([rank, first.inFeatures], a),
      b: hostTensor([outFeatures, rank], b),
      scale: first.scale,
      layers: parts,
    };
  });
}

function matricesOf(
  { name, rank, inFeatures, outFeatures }: AdaptedLayer,
  values: Weights,
  minus: Weights | undefined,
): Pick<LoraModule, 'a' | 'b'> {
  const a = requireParameter(values, `${name}.${matrixA}`, [rank, inFeatures]);
  const b = requireParameter(values, `${name}.${matrixB}`, [outFeatures, rank]);
  if (minus === undefined) return { a, b };
  const [a0, b0] = [minus.get(`${name}.${matrixA}`)!, minus.get(`${name}.${matrixB}`)!];
  const both = new Float32Array(2 * a.data.length);
  both.set(a.data);
  both.set(a0.data, a.data.length);
  const difference = Float32Array.from({ length: 2 * b.data.length }, (_, i) => {
    const [row, column] = [Math.floor(i / (2 * rank)), i % (2 * rank)];
    return column < rank ? b.data[row * rank + column]! : -b0.data[row * rank + column - rank]!;
  });
  return { a: hostTensor([2 * rank, inFeatures], both), b: hostTensor([outFeatures, 2 * rank], difference) };
}

/** The fields that say which modules have adapters, of which rank and with which factor. */
export function moduleFields(
  model: Architecture,
  modules: readonly LoraModule[],
  scaling: LoraOptions['scaling'],
): PeftConfig {
  const rslora = scaling === 'alpha/sqrt(r)';
  const settings = modules.map(({ name, a, scale }) => {
    const rank = a.shape[0]!;
    // peft has no rule `alpha`: α·r stands in for it. Twelve digits undo the division that made the factor.
    return { name, rank, alpha: Number((scale * (rslora ? Math.sqrt(rank) : rank)).toPrecision(12)) };
  });
  const r = mostFrequent(settings.map(({ rank }) => rank));
  const alpha = mostFrequent(settings.map((each) => each.alpha));
  return {
    r,
    lora_alpha: alpha,
    use_rslora: rslora,
    rank_pattern: patternOf(
      settings.map(({ name, rank }) => [name, rank]),
      r,
    ),
    alpha_pattern: patternOf(
      settings.map((each) => [each.name, each.alpha]),
      alpha,
    ),
    target_modules: targetModules(
      model,
      modules.map(({ name }) => name),
    ),
  };
}

/** Modules by their kinds where it is all of each kind, else by their names. */
export function targetModules(model: Architecture, modules: readonly string[]): readonly string[] {
  const kinds = [...new Set(modules.map(kindOf))];
  const all = layersForAdapters(model).filter(({ kind }) => kinds.includes(kind));
  return all.length === modules.length ? kinds : modules;
}

const kindOf = (module: string) => module.replace(/^blocks\.\d+\./, '');

/** What differs from the rule, by kind where all layers of a kind agree. */
function patternOf(
  entries: readonly (readonly [module: string, value: number])[],
  rule: number,
): Readonly<Record<string, number>> {
  const kinds = [...new Set(entries.map(([module]) => kindOf(module)))];
  return Object.fromEntries(
    kinds.flatMap((kind) => {
      const own = entries.filter(([module]) => kindOf(module) === kind);
      const agree = own.every(([, value]) => value === own[0]![1]);
      return (agree ? [[kind, own[0]![1]] as const] : own).filter(([, value]) => value !== rule);
    }),
  );
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, each) => (each[1] > best[1] ? each : best))[0];
}
