import { type RandomStream, randomStream } from '@kora-bench/core/random';

/** An input of a reader with something changed in it. */
export interface Mutation<T> {
  /** Its place in the series; the same seed gives the same mutation there, however many there are. */
  readonly index: number;
  /** What was done, for messages. */
  readonly what: string;
  readonly value: T;
}

type Edit<T> = readonly [what: string, value: T];

/**
 * A file's bytes, each time with one to three things changed: bits, bytes and whole numbers set to what breaks readers
 * (0, 1, the greatest of their width, the file's length), stretches lost, doubled, swapped, blanked or put in. Half of
 * the places lie near the start or the end, where formats keep their directories.
 */
export function* mutations(seed: number, bytes: Uint8Array, count: number): Generator<Mutation<Uint8Array>> {
  yield* series(seed, bytes, count, editBytes);
}

/**
 * A value as JSON has it, each time with one to three things changed: a field lost, `null`, of another type, of another
 * name, moved into another's place, or a number or a text at the edge of what it can be.
 */
export function* jsonMutations(seed: number, value: unknown, count: number): Generator<Mutation<unknown>> {
  yield* series(seed, value, count, editJson);
}

function* series<T>(
  seed: number,
  original: T,
  count: number,
  edit: (value: T, random: RandomStream) => Edit<T>,
): Generator<Mutation<T>> {
  for (let index = 0; index < count; index++) {
    const random = randomStream(seed, `mutation ${index}`);
    const edits = random.uniform() < 0.7 ? 1 : 2 + random.uniformInt(2);
    const done: string[] = [];
    let value = original;
    for (let i = 0; i < edits; i++) {
      const [what, edited] = edit(value, random);
      done.push(what);
      value = edited;
    }
    yield { index, what: done.join(', then '), value };
  }
}

function pick<T>(random: RandomStream, among: readonly T[]): T {
  return among[random.uniformInt(among.length)]!;
}

/** A place in `[0, length)`: anywhere, or near one of the ends. */
function place(random: RandomStream, length: number): number {
  const near = Math.min(length - 1, Math.floor(length ** random.uniform()) - 1);
  return pick(random, [near, length - 1 - near, random.uniformInt(length), random.uniformInt(length)]);
}

/** From one byte to all that follows, short stretches as likely as long ones. */
function stretch(random: RandomStream, length: number): readonly [from: number, to: number] {
  const from = place(random, length);
  return [from, Math.min(length, from + Math.ceil((length - from) ** random.uniform()))];
}

function spliced(bytes: Uint8Array, from: number, to: number, put: Uint8Array): Uint8Array {
  const out = new Uint8Array(from + put.length + bytes.length - to);
  out.set(bytes.subarray(0, from));
  out.set(put, from);
  out.set(bytes.subarray(to), from + put.length);
  return out;
}

function noise(random: RandomStream, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.uniformInt(256));
}

function editBytes(bytes: Uint8Array, random: RandomStream): Edit<Uint8Array> {
  if (bytes.length === 0) return ['a byte put into nothing', noise(random, 1)];
  const at = place(random, bytes.length);
  const [from, to] = stretch(random, bytes.length);
  const put = (what: string, start: number, end: number, content: Uint8Array): Edit<Uint8Array> => [
    what,
    spliced(bytes, start, end, content),
  ];
  switch (random.uniformInt(10)) {
    case 0: {
      const bit = random.uniformInt(8);
      return put(`bit ${bit} of byte ${at} flipped`, at, at + 1, Uint8Array.of(bytes[at]! ^ (1 << bit)));
    }
    case 1: {
      const byte = pick(random, [0, 1, 0x20, 0x7f, 0x80, 0xff, random.uniformInt(256)]);
      return put(`byte ${at} set to ${byte}`, at, at + 1, Uint8Array.of(byte));
    }
    case 2:
    case 3:
      return editInteger(bytes, random);
    case 4:
      return put(`cut off at byte ${at}`, at, bytes.length, new Uint8Array());
    case 5:
      return put(`bytes ${from} to ${to} lost`, from, to, new Uint8Array());
    case 6:
      return put(`bytes ${from} to ${to} doubled`, to, to, bytes.slice(from, to));
    case 7: {
      const fill = pick(random, [0, 0xff, 0x20]);
      return put(`bytes ${from} to ${to} all ${fill}`, from, to, new Uint8Array(to - from).fill(fill));
    }
    case 8: {
      const content = noise(random, 1 + random.uniformInt(64));
      return put(`${content.length} bytes put in at ${at}`, at, at, content);
    }
    default: {
      const length = to - from;
      const other = place(random, Math.max(1, bytes.length - length + 1));
      const moved = bytes.slice(other, other + length);
      return put(`bytes ${from} to ${to} overwritten by those at ${other}`, from, to, moved);
    }
  }
}

/** Sets what may be a length, a count or an offset. */
function editInteger(bytes: Uint8Array, random: RandomStream): Edit<Uint8Array> {
  const width = pick(random, [2, 4, 8].filter((each) => each <= bytes.length).concat(1));
  const at = Math.min(place(random, bytes.length), bytes.length - width);
  const most = (1n << BigInt(8 * width)) - 1n;
  const value =
    pick(random, [0n, 1n, most, most >> 1n, (most >> 1n) + 1n, most - 1n, BigInt(bytes.length)]) & most;
  const little = random.uniformInt(2) === 0;
  const digits = Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  const content = Uint8Array.from(little ? digits : digits.reverse());
  const what = `the ${width} bytes at ${at} set to ${value}, ${little ? 'little' : 'big'}-endian`;
  return [what, spliced(bytes, at, at + width, content)];
}

type Path = readonly (string | number)[];

const otherNumbers: readonly ((value: number) => number)[] = [
  () => 0,
  () => -1,
  () => 0.5,
  () => 1e308,
  () => 1e-320,
  () => 2 ** 31,
  () => 2 ** 53,
  (value) => -value,
  (value) => value + 1,
  (value) => value * 2,
  (value) => value / 3,
  (value) => value * 1e6,
];

const otherTexts: readonly ((value: string) => string)[] = [
  () => '',
  () => ' ',
  () => 'null',
  () => '0',
  () => '__proto__',
  () => 'constructor',
  () => '../../etc',
  () => '\u0000\ud800',
  (value) => value.toUpperCase(),
  (value) => ` ${value}`,
  (value) => `${value}_x`,
  (value) => value.slice(0, -1),
  (value) => value.padEnd(5000, value || 'x'),
];

const anyValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  3.5,
  '',
  'x',
  [],
  {},
  [null],
  [[[]]],
  { x: {} },
];

function editJson(value: unknown, random: RandomStream): Edit<unknown> {
  const paths = pathsOf(value);
  const path = pick(random, paths);
  const found = at(value, path);
  const where = path.length === 0 ? 'the whole' : path.join('.');
  const set = (what: string, to: unknown): Edit<unknown> => [`${where} ${what}`, withValue(value, path, to)];
  const kind = random.uniformInt(8);
  if (kind === 0 && path.length > 0) return [`${where} lost`, withoutKey(value, path)];
  if (kind === 1) return set('set to null', null);
  if (kind === 2) {
    const other = pick(random, paths);
    return set(`set to what ${other.join('.') || 'the whole'} is`, at(value, other));
  }
  if (kind === 3 && path.length > 0 && !Array.isArray(at(value, path.slice(0, -1)))) {
    const name = pick(random, [
      '__proto__',
      'constructor',
      'toString',
      'x',
      '',
      String(path.at(-1)).toUpperCase(),
    ]);
    const renamed = [...path.slice(0, -1), name];
    return [`${where} renamed ${name}`, withValue(withoutKey(value, path), renamed, found)];
  }
  if (kind >= 4 && typeof found === 'number') {
    const number = pick(random, otherNumbers)(found);
    return set(`set to ${number}`, number);
  }
  if (kind >= 4 && typeof found === 'boolean') return set(`set to ${!found}`, !found);
  if (kind >= 4 && typeof found === 'string') {
    const text = pick(random, otherTexts)(found);
    return set(`set to ${JSON.stringify(text.slice(0, 40))}`, text);
  }
  if (kind >= 4 && Array.isArray(found)) {
    const items = pick(random, [
      found.slice(1),
      found.slice(0, -1),
      [...found, ...found],
      [found],
      found.toReversed(),
    ]);
    return set(`set to ${JSON.stringify(items).slice(0, 40)}`, items);
  }
  const any = pick(random, anyValues);
  return set(`set to ${JSON.stringify(any)}`, any);
}

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return [path, ...keys.flatMap((key) => pathsOf(Reflect.get(value, key), [...path, key]))];
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((inside, key) => Reflect.get(inside as object, key), value);
}

function withValue(value: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to;
  const copy = shallowCopy(value);
  const inside = Object.hasOwn(copy, key) ? Reflect.get(copy, key) : undefined;
  // Defined, not assigned: a key "__proto__" is a field in JSON.
  const field = { value: withValue(inside, rest, to), enumerable: true, configurable: true, writable: true };
  return Object.defineProperty(copy, key, field);
}

function withoutKey(value: unknown, [key, ...rest]: Path): unknown {
  if (rest.length > 0) return withValue(value, [key!], withoutKey(Reflect.get(value as object, key!), rest));
  const copy = shallowCopy(value);
  if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else Reflect.deleteProperty(copy, key!);
  return copy;
}

const shallowCopy = (value: unknown): object =>
  Array.isArray(value) ? [...value] : { ...(value as object) };
