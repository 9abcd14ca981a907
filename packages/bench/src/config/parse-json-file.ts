import { InputError } from '@kora-bench/core';

/** Parses a configuration file. @throws InputError naming the file and the parser's complaint */
export function parseJsonFile(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new InputError('The configuration file is not valid JSON.', {
      where: path,
      expected: 'JSON, without comments or trailing commas',
      received: (error as SyntaxError).message,
      fix: 'Correct the file at this place.',
    });
  }
}
