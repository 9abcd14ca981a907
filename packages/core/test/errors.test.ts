import { firstLine, InputError } from '@kora-bench/core/errors';
import { expect, it } from 'vitest';

it.each([
  ['an error', new Error('No device.\n    at create (native)'), 'No device.'],
  ['an error of the suite', new InputError('Not a number.', { fix: 'Write one.' }), 'Not a number.'],
  ['text that starts with blank lines', '\n\n lost\n reason', 'lost'],
  ['nothing', undefined, 'undefined'],
])('the first line of %s', (_, error, line) => {
  expect(firstLine(error)).toBe(line);
});
