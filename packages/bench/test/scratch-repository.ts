import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from './fake-run.js';

/** A git repository to try things in. */
export interface ScratchRepository {
  readonly folder: string;
  git(...words: readonly string[]): string;
  /** Writes files, as JSON unless they are texts. */
  write(files: Readonly<Record<string, unknown>>): void;
  /** Writes files and commits all. @returns the commit */
  commit(files: Readonly<Record<string, unknown>>, message?: string): string;
}

/** A new repository, in a folder with nothing beside it. */
export function scratchRepository(): ScratchRepository {
  const folder = join(temporaryFolder(), 'repository');
  mkdirSync(folder);
  const made = scratchRepositoryAt(folder);
  made.git('init', '-q', '-b', 'main');
  return made;
}

/** A repository that is there. */
export function scratchRepositoryAt(folder: string): ScratchRepository {
  const git = (...words: readonly string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@b', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  const write = (files: Readonly<Record<string, unknown>>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
    }
  };
  return {
    folder,
    git,
    write,
    commit(files, message = 'change') {
      write(files);
      git('add', '.');
      git('commit', '-qm', message);
      return git('rev-parse', 'HEAD');
    },
  };
}
