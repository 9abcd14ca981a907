import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../input/duration.js';
import type { PeerName } from '../throughput/throughput-process.js';

/* What the values of flags may be (every parser throws where one is not), and the flags that several commands have. */

/** Comma-separated names; a flag that is given twice adds to the first. */
export function names(text: string, before: readonly string[] = []): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === ''))
    throw new InvalidArgumentError('Expected names with commas between, none empty.');
  return [...before, ...parts];
}

/** A number; text that is none stays as it is, so that the configuration's check can show it. */
export function numberOrText(text: string): number | string {
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}

/** Comma-separated numbers, or the word `default`. */
export function ratesOrDefault(text: string): 'default' | (number | string)[] {
  return text.trim() === 'default' ? 'default' : numbersOrTexts(text);
}

const peerNames = ['own', 'pytorch'] as const satisfies readonly PeerName[];

export function peerList(text: string): PeerName[] {
  const list = names(text);
  const unknown = list.find((name) => !peerNames.some((known) => known === name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`Expected ${peerNames.join(' or ')}, got ${unknown}.`);
  return list as PeerName[];
}

/** Comma-separated numbers. */
export function numbersOrTexts(text: string): (number | string)[] {
  return text.split(',').map(numberOrText);
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected an integer of at least 1.');
  return value;
}

/** An integer from 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('Expected an integer of at least 0.');
  return value;
}

export function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new InvalidArgumentError('Expected a number from 0 to 65535.');
  return value;
}

export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value < Infinity))
    throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** A number from 0. */
export function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value < Infinity))
    throw new InvalidArgumentError('Expected a number of at least 0.');
  return value;
}

/** Milliseconds of a duration; Infinity for `none`. */
export function time(text: string): number {
  const milliseconds = text === 'none' ? Infinity : parseDuration(text);
  if (milliseconds === undefined)
    throw new InvalidArgumentError('Expected a time with its unit, such as 90s, 30m, 2h or 1h30m, or none.');
  return milliseconds;
}

/** Text as it is; a flag that is given twice adds to the first. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Takes the exit code of the command that ran. */
export type Report = (code: number) => void;

/** Results for programs. */
export const json = (what = 'print JSON') => new Option('--json', what);
export const method = () =>
  new Option('--method <names>', 'methods: names, labels of the suite, or name:preset').argParser(names);
export const backend = () =>
  new Option('--backend <names>', 'backends: names or name:device').argParser(names);
