import type { ImageSplit } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { ProtocolContext } from '@kora-bench/core/training';
import { asPublished, fewShot, full, protocols, stratified } from '@kora-bench/protocols';
import { describe, expect, it } from 'vitest';
import { context, depthDataset, inDirectoryOrder, perClass, toyDataset, toySplit } from './toy.js';

const both = (a: ImageSplit, b: ImageSplit) => a.paths.filter((path) => b.paths.includes(path));

describe.each(protocols.map((protocol) => [protocol.name, protocol] as const))('%s', (_, protocol) => {
  it('describes itself, and has strict options with defaults', () => {
    expect(protocol.description).toMatch(/\.$/);
    expect(protocol.options.safeParse({}).success).toBe(true);
    expect(protocol.options.safeParse({ surplus: 1 }).error?.message).toContain('surplus');
  });

  it('never trains on what it chooses or reports on', () => {
    for (const draw of protocol.draws(context(), protocol.options.parse({}))) {
      for (const { split } of draw.evaluations) expect(both(draw.train, split)).toEqual([]);
      expect(draw.val === undefined ? [] : both(draw.train, draw.val)).toEqual([]);
      expect(draw.evaluations[0].split.targets.label!.labels).toEqual(
        toyDataset().test.targets.label!.labels,
      );
      expect(draw.evaluations[0].caveat).toBeUndefined();
    }
  });

  it('gives the same draws again', () => {
    const paths = () =>
      protocol.draws(context({ seed: 7 }), protocol.options.parse({})).map(({ train }) => train.paths);
    expect(paths()).toEqual(paths());
  });
});

describe('full', () => {
  const draw = (changes: Partial<ProtocolContext> = {}, options: object = {}) =>
    full.draws(context(changes), full.options.parse(options));

  it('trains on all but a validation split that no seed changes', () => {
    const [{ train, val, evaluations, unshuffled }, ...others] = draw();
    expect(others).toEqual([]);
    expect(perClass(train)).toEqual([18, 18, 18, 18]);
    expect(perClass(val!)).toEqual([2, 2, 2, 2]);
    expect(val!.split).toBe('val');
    expect(train.notes.join()).toMatch(/8 of its 80 training examples were set aside/);
    expect(evaluations.map(({ name, split }) => [name, split.length])).toEqual([['test', 20]]);
    expect(unshuffled).toBe(false);
    const [{ val: other }] = draw({ seed: 5 });
    expect(other!.paths).toEqual(val!.paths);
  });

  it('takes the data set’s own validation split where there is one', () => {
    const val = toySplit('val', inDirectoryOrder(4, 3));
    const [found] = draw({ data: toyDataset({ val }) });
    expect(found.val).toBe(val);
    expect(found.train.length).toBe(80);
  });

  it('trains on everything when asked to', () => {
    const [{ train, val }] = draw({}, { carveValidation: false });
    expect(train.length).toBe(80);
    expect(val).toBeUndefined();
  });
});

describe('stratified', () => {
  const draw = (changes: Partial<ProtocolContext> = {}, options: object = {}) =>
    stratified.draws(context(changes), stratified.options.parse(options))[0];

  it('takes a share of each class, at least one', () => {
    // Of the 18 of each class that are left beside the validation split.
    expect(perClass(draw().train)).toEqual([1, 1, 1, 1]);
    expect(perClass(draw({}, { share: 0.5 }).train)).toEqual([9, 9, 9, 9]);
    expect(perClass(draw({}, { share: 1 }).train)).toEqual([18, 18, 18, 18]);
  });

  it('takes so many of each class instead', () => {
    expect(perClass(draw({}, { perClass: 3, share: 0.5 }).train)).toEqual([3, 3, 3, 3]);
    expect(() => draw({}, { perClass: 19 })).toThrow(/fewer examples than asked for/);
  });

  it('draws others under another seed', () => {
    const paths = (seed: number) => draw({ seed }, { share: 0.5 }).train.paths;
    expect(paths(1)).not.toEqual(paths(0));
  });

  it('takes a share of the whole where there are no labels', () => {
    const { train, val, evaluations } = draw({ data: depthDataset() }, { share: 0.25 });
    expect([train.length, val!.length, evaluations[0].split.length]).toEqual([20, 10, 20]);
    expect(() => draw({ data: depthDataset() }, { perClass: 2 })).toThrow(InputError);
  });
});

describe('few-shot', () => {
  const draws = (changes: Partial<ProtocolContext> = {}, options: object = {}) =>
    fewShot.draws(context(changes), fewShot.options.parse(options));

  it('takes k of each class in every draw', () => {
    const found = draws({}, { perClass: 2, draws: 4 });
    expect(found.map(({ train }) => perClass(train))).toEqual(new Array(4).fill([2, 2, 2, 2]));
    expect(new Set(found.map(({ val }) => val!.fingerprint)).size).toBe(1);
  });

  it('repeats no draw, of its own seed or of another', () => {
    const all = [0, 1, 2].flatMap((seed) => draws({ seed }, { draws: 20 }).map(({ train }) => train));
    expect(new Set(all.map(({ paths }) => paths.join())).size).toBe(60);
    const longest = draws({ seed: 0 }, { draws: 100 }).map(({ train }) => train.paths.join());
    const next = draws({ seed: 1 }, { draws: 100 }).map(({ train }) => train.paths.join());
    expect(new Set([...longest, ...next]).size).toBe(200);
  });

  it('keeps the first draws when more are asked for', () => {
    const paths = (count: number) => draws({ seed: 3 }, { draws: count }).map(({ train }) => train.paths);
    expect(paths(5).slice(0, 2)).toEqual(paths(2));
  });

  it('needs labels', () => {
    expect(() => draws({ data: depthDataset() })).toThrow(/no label target/);
  });
});

describe('as-published', () => {
  /** 3 classes of 600 and 6 of test, in Tiny ImageNet's folders: every image lies in `images/`. */
  const data = toyDataset({
    train: toySplit('train', inDirectoryOrder(3, 600)),
    test: toySplit('test', inDirectoryOrder(3, 2)),
  });
  const [draw, ...others] = asPublished.draws(context({ data }), asPublished.options.parse({}));

  it('trains on the first 1000 files, unshuffled, labelled by their leaf folder', () => {
    expect(others).toEqual([]);
    expect(draw.train.paths).toEqual(data.train.paths.slice(0, 1000));
    expect(draw.unshuffled).toBe(true);
    expect(draw.val).toBeUndefined();
    // Every leaf folder is called `images`, so all examples are of one class.
    expect(new Set(draw.train.targets.label!.labels)).toEqual(new Set([0]));
    expect(draw.train.fingerprint).not.toBe(data.train.fingerprint);
  });

  it('makes classes of the leaf folders where these differ, in their order', () => {
    const named = (split: 'train' | 'test', folders: readonly string[]) => ({
      ...toySplit(split, [0, 1, 2]),
      paths: folders.map((folder, i) => `${split}/${folder}/${i}.png`),
    });
    const leaves = toyDataset({
      train: named('train', ['b', 'c', 'a']),
      test: named('test', ['a', 'c', 'b']),
    });
    const [{ train, evaluations }] = asPublished.draws(context({ data: leaves }), {});
    expect([...train.targets.label!.labels]).toEqual([1, 2, 0]);
    expect([...evaluations[1]!.split.targets.label!.labels]).toEqual([0, 2, 1]);
    expect([...evaluations[0].split.targets.label!.labels]).toEqual([0, 1, 2]);
  });

  it('is scored on true labels first, and then with a caveat on its own', () => {
    expect(draw.evaluations.map(({ name }) => name)).toEqual(['true labels', 'own labels']);
    const [onTrue, onOwn] = draw.evaluations;
    expect(onTrue.split).toBe(data.test);
    expect(new Set(onOwn!.split.targets.label!.labels)).toEqual(new Set([0]));
    expect(onOwn!.caveat).toMatch(/does not measure transfer/);
    expect(onOwn!.split.paths).toEqual(data.test.paths);
  });

  it('reports how few classes the first files hold', () => {
    expect(draw.findings).toEqual([
      {
        code: 'DIRECTORY_ORDER_SUBSET',
        severity: 'warning',
        message: expect.any(String),
        evidence: { examples: 1000, of: 1800, trueClasses: 2, classes: 3 },
      },
    ]);
  });

  it('prepares images and trains as published', () => {
    expect(draw.preprocessing).toMatchObject({
      imageSize: [8, 8],
      interpolation: 'bilinear',
      cropPct: 1,
      mean: [0.485, 0.456, 0.406],
    });
    expect(draw.training).toMatchObject({
      epochs: 1,
      batchSize: 32,
      learningRate: 1e-3,
      schedule: { kind: 'constant', warmup: 0 },
      clipNorm: null,
      augmentation: 'none',
    });
  });

  it('takes what there is where there are fewer files', () => {
    const few = toyDataset({ train: toySplit('train', [0, 1, 2]) });
    const [{ train, training }] = asPublished.draws(context({ data: few }), {});
    expect(train.length).toBe(3);
    expect(training.batchSize).toBe(3);
  });

  it('needs labels', () => {
    expect(() => asPublished.draws(context({ data: depthDataset() }), {})).toThrow(InputError);
  });
});
