import { KoraError } from '@kora-bench/core/errors';

export interface OutcomeLimits<T> {
  /** What was done to the input, for messages. */
  readonly what?: string;
  /** Bytes of the input; the reader may allocate twice as many, and `allowance`. Absent: memory is not looked at. */
  readonly bytes?: number;
  /** Bytes that any input may cost, e.g. for tables of a decoder; 1 MiB. */
  readonly allowance?: number;
  /** The longest that the reader may take; 10 s. One that never comes back cannot be stopped from here. */
  readonly seconds?: number;
  /** Whether a value is right for this input; throws, or returns `false`, when it is not. */
  readonly right?: (value: T) => unknown;
}

/** What a reader may do with an input: give a right value, or say what is wrong with it. */
export type Outcome<T> = { readonly value: T } | { readonly error: KoraError };

/** How messages of zod begin, which no user should read. */
const rawMessages =
  /Invalid (?:input|option|string|key|element|date|number)|Unrecognized key|Too (?:small|big):|\[object |undefined/;

/**
 * Calls a reader, and accepts what a user could live with: a right value, or a `KoraError` with a fix, in words of
 * ours, within the memory and the time that the input deserves.
 * @throws Error saying what the reader did instead
 */
export async function onlyAcceptableOutcome<T>(
  read: () => T | Promise<T>,
  limits: OutcomeLimits<T> = {},
): Promise<Outcome<T>> {
  const { what = 'the input', bytes, allowance = 2 ** 20, seconds = 10, right } = limits;
  const counter = countAllocations();
  const start = performance.now();
  let outcome: Outcome<T>;
  let allocated: number;
  try {
    outcome = await settled(read, seconds, what);
  } finally {
    allocated = counter.stop();
  }
  const took = (performance.now() - start) / 1000;
  if (took > seconds) throw new Error(`${what}: took ${took.toFixed(1)} s`);
  if (bytes !== undefined && allocated > 2 * bytes + allowance)
    throw new Error(`${what}: ${allocated} bytes allocated for an input of ${bytes}`);
  if ('error' in outcome) checkError(outcome.error, what);
  else if (right?.(outcome.value) === false) throw new Error(`${what}: a wrong value`);
  return outcome;
}

async function settled<T>(read: () => T | Promise<T>, seconds: number, what: string): Promise<Outcome<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing came within ${seconds} s`)), seconds * 1000);
  });
  const reading = (async () => {
    try {
      return { value: await read() };
    } catch (error) {
      if (error instanceof KoraError) return { error };
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(`${what}: an unexpected error: ${text}`, { cause: error });
    }
  })();
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}

function checkError(error: KoraError, what: string): void {
  const complain = (reason: string) => {
    throw new Error(`${what}: ${reason}\n${error.explain()}`, { cause: error });
  };
  if (error.code === 'INTERNAL') complain('a fault of the suite itself');
  if (!error.fix) complain('an error without a fix');
  const words = [error.message, error.expected, error.received, error.fix].join('\n');
  if (rawMessages.test(words)) complain('an error in words that are not ours');
}

const typedArrays = [
  'Uint8Array',
  'Uint8ClampedArray',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
] as const;

/**
 * Counts the bytes of all buffers and typed arrays that are made until `stop`: asked for by name, or, if that is more,
 * what the process holds outside its heap. Memory that is asked for and never touched counts, as it would fail on a
 * smaller machine.
 */
function countAllocations(): { stop(): number } {
  const before = process.memoryUsage().arrayBuffers;
  let asked = 0;
  const undo: (() => void)[] = [];
  const replace = (owner: object, name: string, make: (original: never) => unknown) => {
    const original = Reflect.getOwnPropertyDescriptor(owner, name)!;
    Object.defineProperty(owner, name, { ...original, value: make(original.value as never) });
    undo.push(() => Object.defineProperty(owner, name, original));
  };
  const countingClass = (original: new (...args: unknown[]) => { byteLength: number }) =>
    new Proxy(original, {
      construct(target, args, newTarget) {
        const own = !(args[0] instanceof ArrayBuffer || args[0] instanceof SharedArrayBuffer);
        const made = Reflect.construct(target, args, newTarget);
        if (own) asked += made.byteLength;
        return made;
      },
    });
  for (const name of [...typedArrays, 'ArrayBuffer']) replace(globalThis, name, countingClass);
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'])
    replace(
      Buffer,
      name,
      (original: (size: number, ...rest: unknown[]) => Buffer) =>
        function counted(this: unknown, size: number, ...rest: unknown[]) {
          asked += size;
          return original.call(this, size, ...rest);
        },
    );
  return {
    stop() {
      for (const each of undo.reverse()) each();
      return Math.max(asked, process.memoryUsage().arrayBuffers - before);
    },
  };
}
