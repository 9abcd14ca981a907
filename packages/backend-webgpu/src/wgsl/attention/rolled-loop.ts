/**
 * A loop that compilers do not unroll: they cannot know that no dispatch of ours has more than one
 * workgroup along z. Unrolled, an array that the loop indexes falls apart into hundreds of variables, and
 * lavapipe took 18 to 29 s instead of 1 to 2 s to compile a kernel of attention.
 */
export function rolledLoop(name: string, count: number, statements: string): string {
  return `for (var ${name} = 0u; ${name} < ${count}u + group.z; ${name}++) {\n${statements}\n}`;
}
