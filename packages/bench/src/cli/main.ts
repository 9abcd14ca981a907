import { InputError } from '@kora-bench/core/errors';
import { suggestion } from '../input/check-input.js';
import { exitCode, explainError } from './commands/output.js';
import { buildProgram } from './program.js';

export interface MainSettings {
  /** The program of a cell's process. */
  readonly cellEntry?: string | URL;
}

/**
 * Runs the command line.
 * @param argv without the interpreter and the script
 * @returns the exit code
 */
export async function main(argv: readonly string[], { cellEntry }: MainSettings = {}): Promise<number> {
  // Package managers may pass on the `--` that separates their own flags.
  const words = argv[0] === '--' ? argv.slice(1) : argv;
  let code: number = exitCode.done;
  try {
    const program = buildProgram((result) => {
      code = result;
    }, cellEntry);
    const commands = program.commands.map((command) => command.name());
    const [first] = words;
    if (first !== undefined && !first.startsWith('-') && first !== 'help' && !commands.includes(first)) {
      throw new InputError(`There is no command "${first}".`, {
        where: 'command line',
        expected: `one of ${commands.join(', ')}`,
        received: first,
        fix: suggestion(first, commands, 'See --help.'),
      });
    }
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    return explainError(error, { json: words.includes('--json') });
  }
}
