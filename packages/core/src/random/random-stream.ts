import { InputError } from '../errors/kora-error.js';
import { normalQuantile } from './normal-quantile.js';
import { hashLabel, type PhiloxKey, philox4x32Blocks } from './philox.js';

/**
 * A counter-based stream of random numbers: a pure function of (seed, label), the same on every
 * machine and in the browser. Streams with different labels are independent.
 */
export interface RandomStream {
  /** 32 random bits as an unsigned integer. */
  nextUint32(): number;
  /** Uniform in [0, 1) with 32 random bits. */
  uniform(): number;
  /** Uniform integer in [0, n), unbiased. */
  uniformInt(n: number): number;
  /** Standard normal. */
  normal(): number;
  /** A uniformly random permutation of 0 … n−1 (Fisher–Yates). */
  permutation(n: number): Int32Array;
}

const firstBlocks = 1;
const mostBlocks = 256;
const twoPow32 = 2 ** 32;

/**
 * The stream of random numbers of (`seed`, `label`), by Philox4x32-10.
 *
 * The seed is the 64-bit key and the label's 64-bit hash the upper half of the counter; the lower
 * half counts. Streams of one seed are therefore disjoint parts of one sequence of 2¹²⁸ blocks, and
 * no two seeds share a key.
 * Every number, `normal()` included, has the same bits on every engine and machine.
 *
 * @param seed any safe integer, negative ones included.
 * @param label what the numbers are for, e.g. `blocks.3.attn.qkv/lora_A` or `epoch 2`; any string.
 * @throws InputError when the seed is not a safe integer.
 */
export function randomStream(seed: number, label: string): RandomStream {
  if (!Number.isSafeInteger(seed)) {
    throw new InputError('The seed is not a safe integer.', {
      where: 'seed',
      expected: 'an integer from −(2⁵³ − 1) to 2⁵³ − 1',
      received: String(seed),
      fix: 'Give a whole number, e.g. 0.',
    });
  }
  return new PhiloxStream([seed >>> 0, Math.floor(seed / twoPow32) >>> 0], hashLabel(label));
}

class PhiloxStream implements RandomStream {
  #words = new Uint32Array(0);
  #next = 0;
  #blocksDone = 0;

  constructor(
    private readonly key: PhiloxKey,
    private readonly labelHash: PhiloxKey,
  ) {}

  nextUint32(): number {
    if (this.#next === this.#words.length) this.#refill();
    return this.#words[this.#next++]!;
  }

  uniform(): number {
    return this.nextUint32() / twoPow32;
  }

  uniformInt(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > twoPow32) {
      throw new InputError('The range of a random integer is not valid.', {
        where: 'n',
        expected: 'an integer from 1 to 2³²',
        received: String(n),
      });
    }
    // The incomplete last multiple of n is rejected: its remainders would come up once too often.
    const limit = twoPow32 - (twoPow32 % n);
    let word = this.nextUint32();
    while (word >= limit) word = this.nextUint32();
    return word % n;
  }

  normal(): number {
    // 52 random bits at the centres of 2⁵² equal cells: symmetric about ½, never 0 or 1.
    const high = this.nextUint32() >>> 6;
    const low = this.nextUint32() >>> 6;
    return normalQuantile((high * 67108864 + low + 0.5) / 4503599627370496);
  }

  permutation(n: number): Int32Array {
    if (!Number.isInteger(n) || n < 0 || n > 0x7fffffff) {
      throw new InputError('The length of a permutation is not valid.', {
        where: 'n',
        expected: 'an integer from 0 to 2³¹ − 1',
        received: String(n),
      });
    }
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.uniformInt(i + 1);
      const moved = order[i]!;
      order[i] = order[j]!;
      order[j] = moved;
    }
    return order;
  }

  /** Longer and longer runs: a stream of few numbers stays cheap, a long one runs at full speed. */
  #refill(): void {
    const low = this.#blocksDone % twoPow32;
    const wanted = Math.min(mostBlocks, Math.max(firstBlocks, this.#blocksDone));
    const blocks = Math.min(wanted, twoPow32 - low);
    if (this.#words.length !== 4 * blocks) this.#words = new Uint32Array(4 * blocks);
    const high = Math.floor(this.#blocksDone / twoPow32);
    philox4x32Blocks([low, high, this.labelHash[0], this.labelHash[1]], this.key, blocks, this.#words);
    this.#blocksDone += blocks;
    this.#next = 0;
  }
}
