import { spawn } from 'node:child_process';
import { guardGroup, hasGroups, pauseTogether, signalGroup } from '../orchestrator/process-group.js';

/** A program to run, of whatever revision. */
export interface Command {
  readonly command: string;
  /** Left out, the command is a line for the shell. */
  readonly args?: readonly string[];
  readonly cwd: string;
  /** Ends it, with all that it started. */
  readonly stop?: AbortSignal;
  /** Takes what it prints to stderr. */
  onMessage?(text: string): void;
}

/** How a program ended. */
export interface CommandEnd {
  /** Null where it was killed, or could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  /** The end of all that it printed, in the order in which it came. */
  readonly output: string;
}

const outputLimit = 64 * 1024;
const graceMs = 5000;

/** Runs a program in a group of its own and waits for its end. Never rejects. */
export function runCommand({ command, args, cwd, stop, onMessage }: Command): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const child = spawn(command, args ?? [], {
      cwd,
      shell: args === undefined,
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: hasGroups,
    });
    let stdout = '';
    let output = '';
    let timer: NodeJS.Timeout | undefined;
    const keep = (text: string) => {
      output = (output + text).slice(-outputLimit);
    };
    const killAll = () => signalGroup(child, 'SIGKILL');
    const endings = [guardGroup(child), pauseTogether(child)];
    const terminate = () => {
      signalGroup(child, 'SIGTERM');
      timer = setTimeout(killAll, graceMs);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      keep(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      keep(text);
      onMessage?.(text);
    });
    const settle = (code: number | null) => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', terminate);
      process.off('exit', killAll);
      for (const end of endings) end();
      resolve({ code, stdout, output });
    };
    child.on('error', (error) => {
      output += `${error.message}\n`;
      if (child.pid === undefined) settle(null);
    });
    child.on('close', settle);
    process.on('exit', killAll);
    stop?.addEventListener('abort', terminate, { once: true });
    if (stop?.aborted) terminate();
  });
}

/** This process's environment without what package managers and git's hooks say of the folder they were called in. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|execpath|command)|INIT_CWD$|GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX)$)/.test(
        name,
      ),
  );
  return { ...Object.fromEntries(entries), CI: process.env.CI ?? 'true' };
}
