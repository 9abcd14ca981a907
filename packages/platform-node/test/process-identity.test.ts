import { spawnSync } from 'node:child_process';
import { ownIdentity, stateOf } from '@kora-bench/platform-node/process-identity';
import { expect, it } from 'vitest';

it('tells processes that run from those that are gone, and from those that cannot be asked after', () => {
  const own = ownIdentity();
  const { pid } = spawnSync(process.execPath, ['--version']);
  expect(stateOf(own)).toBe('running');
  expect(stateOf({ ...own, pid })).toBe('gone');
  expect(stateOf({ ...own, pid, space: 'another machine' })).toBe('unknown');
});

it.skipIf(process.platform !== 'linux')('a number that was given away again is another process', () => {
  expect(stateOf({ ...ownIdentity(), started: '1' })).toBe('gone');
});
