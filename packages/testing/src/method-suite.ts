import type { ConfiguredMethod, MethodDefinition, MethodStage } from '@kora-bench/core/peft';
import { initialValue, stagesOf } from '@kora-bench/core/peft';
import {
  buildTrainProgram,
  canMerge,
  countParameters,
  isTrainable,
  mergeMethod,
  modelParameters,
} from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import {
  differentiationErrors,
  gradientSizes,
  largestDifference,
  logits,
  plainBackbone,
  shortTraining,
  startValues,
  toyTask,
  trainedValues,
} from './method-questions.js';
import { toyVit, vitBase } from './vit-configs.js';

/** What is particular to a method; without it the suite tests the defaults and every preset. */
export interface MethodSuiteOptions {
  /** Options that the defaults and every preset get besides, where theirs are too large for the toy ViT. */
  readonly onToy?: object;
  /** More sets of options to test, by title: every form whose program differs. */
  readonly forms?: Readonly<Record<string, object>>;
  /** Parameters that are there but that the forward pass never uses; no gradient may reach them. None by default. */
  readonly unused?: (parameter: string) => boolean;
  /**
   * Parameters whose gradient is not the loss's derivative, since the method holds something constant in it
   * (`stopGradient`); they are not compared with central differences. None by default.
   */
  readonly heldConstant?: (parameter: string) => boolean;
  /** Options that must be refused, each with what the message must say; unknown ones are tested in any case. */
  readonly refused?: readonly (readonly [options: object, message: RegExp])[];
  /** Parameters that train on ViT-B/16 with a head of 100 classes, the head's 76,900 included. */
  readonly counts?: readonly (readonly [options: object, trainable: number])[];
}

/** One thing that is asked of a method. */
export interface MethodCheck {
  readonly name: string;
  /** Fails with an assertion error where the method does not keep its promise. */
  check(): void | Promise<void>;
}

/**
 * Registers a suite with vitest that tests a method from outside, as the methods of this repository are tested.
 * A method package's test is this call and what is particular to the method:
 *
 *     describeMethod(myMethod, { refused: [[{ rank: 0 }, /rank/]], counts: [[{}, 1_270_692]] });
 *
 * On a toy ViT with the float64 reference backend, for the defaults, every preset and every form given:
 *
 * - options are strict: defaults and presets are valid, an unknown option is refused by name;
 * - the last stage has all epochs, and every parameter trains in one of them unless it is left out of the count;
 * - the count is the number of elements that train;
 * - the start is the backbone's output (unless its `startsAtBackbone` says otherwise), and some gradient leaves it;
 * - in every stage a gradient reaches every parameter that trains and matches central differences;
 * - in every stage the loss falls, and everything that trains moves;
 * - merged weights give the unmerged logits, where the method can merge.
 */
export function describeMethod(definition: MethodDefinition, options: MethodSuiteOptions = {}): void {
  describe(`method ${definition.name}`, () => {
    for (const [group, checks] of Object.entries(methodChecks(definition, options))) {
      describe(group, () => {
        for (const { name, check } of checks) it(name, () => check());
      });
    }
  });
}

/** The checks that {@link describeMethod} registers, by group. They assert with vitest's `expect`. */
export function methodChecks(
  definition: MethodDefinition,
  options: MethodSuiteOptions = {},
): Readonly<Record<string, readonly MethodCheck[]>> {
  const forms: Readonly<Record<string, object>> = {
    'the defaults': { ...options.onToy },
    ...Object.fromEntries(
      Object.entries(definition.presets ?? {}).map(([name, preset]) => [
        `preset ${name}`,
        { ...preset, ...options.onToy },
      ]),
    ),
    ...options.forms,
  };
  const groups: Record<string, readonly MethodCheck[]> = {
    options: optionChecks(definition, forms, options),
    'parameters on ViT-B/16 with a head of 100': countChecks(definition, options),
  };
  for (const [title, given] of Object.entries(forms)) {
    // The checks of the options say what is wrong with a form that is not valid.
    const parsed = definition.options.safeParse(given);
    if (!parsed.success) continue;
    const method = { definition, options: parsed.data };
    groups[`with ${title}`] = [
      ...declarationChecks(method),
      ...startChecks(method, given),
      ...stagesOf(method).flatMap((stage) => stageChecks(method, given, { stage, ...options })),
      ...mergeChecks(method, given),
    ];
  }
  return Object.fromEntries(Object.entries(groups).filter(([, checks]) => checks.length > 0));
}

function optionChecks(
  { options: schema }: MethodDefinition,
  forms: Readonly<Record<string, object>>,
  { refused = [] }: MethodSuiteOptions,
): MethodCheck[] {
  return [
    ...Object.entries(forms).map(([title, given]) => ({
      name: `${title}: valid, and the same when read again`,
      check() {
        const parsed = schema.parse(given);
        expect(schema.parse(parsed)).toEqual(parsed);
      },
    })),
    ...[[{ noSuchOption: 1 }, /noSuchOption/] as const, ...refused].map(([given, message]) => ({
      name: `${JSON.stringify(given)} is refused by name`,
      check() {
        expect(() => schema.parse(given)).toThrow(message);
      },
    })),
  ];
}

function countChecks(definition: MethodDefinition, { counts = [] }: MethodSuiteOptions): MethodCheck[] {
  return counts.map(([given, expected]) => ({
    name: `${JSON.stringify(given)} trains ${expected.toLocaleString('en')}`,
    check() {
      const method = { definition, options: definition.options.parse(given) };
      expect(countParameters(vitBase, method, classificationTask(100)).trainable).toBe(expected);
    },
  }));
}

function declarationChecks(method: ConfiguredMethod): MethodCheck[] {
  const { definition, options } = method;
  return [
    {
      name: 'stages have names of their own, and the last one all epochs',
      check() {
        const stages = stagesOf(method);
        expect(new Set(stages.map(({ name }) => name)).size).toBe(stages.length);
        for (const { name, share } of stages) {
          expect(share, name).toBeGreaterThan(0);
          expect(share, name).toBeLessThanOrEqual(1);
        }
        expect(stages.at(-1)!.share).toBe(1);
      },
    },
    {
      name: 'every parameter has a finite start and trains in some stage, or is left out of the count',
      check() {
        const specs = modelParameters(toyVit, method, toyTask).filter(({ owner }) => owner === 'method');
        for (const spec of specs) {
          expect(initialValue(spec, 1).every(Number.isFinite), spec.name).toBe(true);
          expect(isTrainable(spec, method) || spec.uncounted, spec.name).toBe(true);
        }
      },
    },
    {
      name: 'the count is the number of elements that train',
      check() {
        const trained = new Map<string, number>();
        for (const stage of stagesOf(method)) {
          for (const { name, size } of layoutOf(method, stage)) trained.set(name, size);
        }
        const counted = [...trained].filter(([name]) => !(definition.uncounted?.(name, options) ?? false));
        expect(countParameters(toyVit, method, toyTask).trainable).toBe(
          counted.reduce((total, [, size]) => total + size, 0),
        );
      },
    },
  ];
}

function startChecks({ definition, options: parsed }: ConfiguredMethod, given: object): MethodCheck[] {
  if (definition.startsAtBackbone?.(parsed) === false) return [];
  const [first] = stagesOf({ definition, options: parsed });
  return [
    {
      name: 'the start is the backbone’s own output',
      async check() {
        const started = await logits(definition, await startValues(definition, given), given, {
          stage: first!.name,
        });
        const plain = await logits(plainBackbone, await startValues(plainBackbone));
        // What `initialize` computes is rounded to float32.
        const tolerance = definition.initialize === undefined ? 1e-12 : 1e-4;
        expect(largestDifference(started, plain)).toBeLessThan(tolerance);
      },
    },
  ];
}

function stageChecks(
  method: ConfiguredMethod,
  given: object,
  {
    stage,
    unused = () => false,
    heldConstant = () => false,
  }: MethodSuiteOptions & { readonly stage: MethodStage },
): MethodCheck[] {
  const { definition } = method;
  const at = { stage: stage.name };
  const start = () => startValues(definition, given);
  const trained = async () => trainedValues(await start(), definition, given);
  const inStage = stagesOf(method).length === 1 ? '' : `, in stage ${stage.name}`;
  return [
    {
      name: `a gradient leaves the start${inStage}`,
      async check() {
        const sizes = [...(await gradientSizes(definition, await start(), given, at))];
        const own = sizes.filter(([name]) => !isHead(name) && !unused(name));
        // A method without parameters that train has only the head.
        const moving = own.length === 0 ? sizes : own;
        expect(Math.max(...moving.map(([, size]) => size))).toBeGreaterThan(0);
      },
    },
    {
      name: `a gradient reaches every parameter that trains${inStage}`,
      async check() {
        const sizes = await gradientSizes(definition, await trained(), given, at);
        for (const [name, size] of sizes) {
          if (unused(name)) expect(size, name).toBe(0);
          else expect(size, name).toBeGreaterThan(0);
        }
      },
    },
    {
      name: `gradients match central differences${inStage}`,
      async check() {
        const errors = await differentiationErrors(definition, await trained(), given, at);
        for (const { parameter, error, scale } of errors) {
          if (heldConstant(parameter)) continue;
          // The loss is rounded at 1e-16, so the difference quotient at 1e-11.
          expect(error, parameter).toBeLessThan(1e-6 * scale + 1e-9);
        }
      },
    },
    {
      name: `the loss falls and everything that trains moves${inStage}`,
      async check() {
        const { losses, unmoved } = await shortTraining(definition, await start(), given, at);
        expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!);
        expect(unmoved.filter((name) => !unused(name))).toEqual([]);
      },
    },
  ];
}

function mergeChecks(method: ConfiguredMethod, given: object): MethodCheck[] {
  const { definition } = method;
  if (!canMerge(toyVit, method)) return [];
  return [
    {
      name: 'merged weights give the unmerged logits within 1e-4, and not the backbone’s',
      async check() {
        const values = trainedValues(await startValues(definition, given), definition, given);
        const merged = mergeMethod(toyVit, method, values)!;
        const plain = await logits(plainBackbone, new Map([...values, ...merged]));
        expect(largestDifference(await logits(definition, values, given), plain)).toBeLessThan(1e-4);
        expect(largestDifference(plain, await logits(plainBackbone, values))).toBeGreaterThan(1e-2);
      },
    },
  ];
}

/** What trains in a stage. */
function layoutOf(method: ConfiguredMethod, stage: MethodStage) {
  const { layout } = buildTrainProgram({
    model: toyVit,
    method,
    task: toyTask,
    batchSize: 1,
    stage: stage.name,
    trains: (parameter) =>
      isTrainable(parameter, method) && (parameter.owner !== 'method' || stage.trains(parameter.name)),
    optimizer: { kind: 'sgd', momentum: 0, weightDecay: 0 },
  });
  return layout.entries;
}

function isHead(name: string): boolean {
  return name.startsWith('head.');
}
