import type { ProgressView } from './progress-view.js';

/** A live line in a terminal; whole lines in CI, in a file and in a terminal that cannot move its cursor. */
export async function chooseView(
  stream: NodeJS.WriteStream = process.stderr,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ProgressView> {
  const inCi = environment.CI !== undefined && environment.CI !== '' && environment.CI !== 'false';
  if (stream.isTTY && !inCi && environment.TERM !== 'dumb') {
    return (await import('./terminal-view.js')).terminalView(stream);
  }
  return (await import('./quiet-view.js')).quietView((line) => stream.write(`${line}\n`));
}
