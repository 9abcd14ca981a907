/** Whether the process is Node's, which a page's is not. */
export const inNode =
  (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
