import { InvalidArgumentError } from 'commander';

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

/** Text as it is; a flag that is given twice adds to the first. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
