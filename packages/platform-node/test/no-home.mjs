// Preloaded: the user of this process has no entry in the system's list, as in a container that runs as a number.
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

os.homedir = () => {
  throw Object.assign(new Error('A system error occurred: uv_os_homedir returned ENOENT'), {
    code: 'ERR_SYSTEM_ERROR',
  });
};
syncBuiltinESMExports();
