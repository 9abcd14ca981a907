export { makeFolder } from './make-folder.js';
export { temporaryName } from './temporary-name.js';
export { writeWholeFile } from './write-whole-file.js';
