import { jsonMutations, mutations, onlyAcceptableOutcome } from '@kora-bench/broken-inputs';
import { FormatError, InternalError } from '@kora-bench/core/errors';
import { describe, expect, it } from 'vitest';

const bytes = Uint8Array.from({ length: 300 }, (_, i) => i);
const config = { size: { height: 2, width: 3 }, mean: [0.5, 0.5, 0.5], name: 'vit', flag: true };

describe('mutations', () => {
  it('are the same for a seed however many there are, and other for another seed', () => {
    const few = [...mutations(1, bytes, 10)];
    expect([...mutations(1, bytes, 30)].slice(0, 10)).toEqual(few);
    expect([...mutations(2, bytes, 10)]).not.toEqual(few);
  });

  it('change bytes, cut them off and put some in, and leave the original alone', () => {
    const before = bytes.slice();
    const all = [...mutations(3, bytes, 400)].map(({ value }) => value);
    expect(bytes).toEqual(before);
    expect(all.some(({ length }) => length < 10)).toBe(true);
    expect(all.some(({ length }) => length > 310)).toBe(true);
    const changed = all.filter((each) => Buffer.compare(each, bytes) !== 0);
    expect(changed.length).toBeGreaterThan(350);
  });

  it('reach every field of a JSON value, and take any input, be it empty', () => {
    const before = structuredClone(config);
    const all = [...jsonMutations(4, config, 400)].map(({ value }) => value as typeof config);
    expect(config).toEqual(before);
    expect(all.some((each) => each?.size?.height === null)).toBe(true);
    expect(all.some((each) => each !== null && typeof each === 'object' && !('mean' in each))).toBe(true);
    expect(all.some((each) => each?.mean?.length === 2)).toBe(true);
    expect([...jsonMutations(5, null, 50)]).toHaveLength(50);
    expect([...mutations(5, new Uint8Array(), 50)]).toHaveLength(50);
  });
});

describe('an acceptable outcome', () => {
  const refusal = (fix?: string, expected = 'a number') =>
    new FormatError('The file is not valid.', { expected, ...(fix && { fix }) });
  const fails = (error: unknown) =>
    onlyAcceptableOutcome(() => {
      throw error;
    });

  it('is a right value, or an error of ours with a fix', async () => {
    expect(await onlyAcceptableOutcome(() => 3, { right: (value) => value === 3 })).toEqual({ value: 3 });
    expect(await fails(refusal('Save it again.'))).toHaveProperty('error.code', 'FORMAT');
  });

  it('is no wrong value, unexpected error, fault, or error without a fix or in raw words', async () => {
    await expect(onlyAcceptableOutcome(() => 3, { right: (value) => value === 4 })).rejects.toThrow(
      /wrong value/,
    );
    await expect(fails(new RangeError('Invalid array length'))).rejects.toThrow(
      /unexpected error: RangeError/,
    );
    await expect(fails(new InternalError('Oh.', { fix: 'Report it.' }))).rejects.toThrow(
      /fault of the suite/,
    );
    await expect(fails(refusal())).rejects.toThrow(/without a fix/);
    await expect(fails(refusal('Save it again.', 'Invalid input: expected string'))).rejects.toThrow(
      /not ours/,
    );
  });

  it('is none that takes too long, or more than twice the memory of its input', async () => {
    const never = () => new Promise<void>(() => {});
    await expect(onlyAcceptableOutcome(never, { seconds: 0.05 })).rejects.toThrow(/nothing came within/);
    const greedy = () => new Float32Array(2 ** 20).length;
    await expect(onlyAcceptableOutcome(greedy, { bytes: 100 })).rejects.toThrow(/4194304 bytes allocated/);
    const buffers = async () => Buffer.alloc(2 ** 22).length;
    await expect(onlyAcceptableOutcome(buffers, { bytes: 100 })).rejects.toThrow(/4194304 bytes allocated/);
    const views = () => new Uint8Array(new Uint8Array(100).buffer, 10, 20) instanceof Uint8Array;
    expect(await onlyAcceptableOutcome(views, { bytes: 100, allowance: 0 })).toEqual({ value: true });
    expect(new Float32Array(2)).toBeInstanceOf(Float32Array);
  });
});
