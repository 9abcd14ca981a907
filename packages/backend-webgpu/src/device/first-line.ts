/** What an engine says about a failure, without the trace that follows. */
export function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().split('\n', 1)[0]!;
}
