/** A name beside `path` that no other process or call uses. */
export function temporaryName(path: string): string {
  counter++;
  return `${path}.${process.pid}-${counter}.tmp`;
}

let counter = 0;
