/**
 * The line of user code that is building an op: the first frame of the current stack outside of the
 * files that build graphs. Read only when an error is being made, so tracing costs nothing.
 */
export function callerLine(): string {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const outside = frames.find((frame) => !internalFrame.test(frame)) ?? frames.at(-1) ?? '';
  return outside.trim().replace(/^at /, '');
}

const internalFrame = /core\/(dist|src)\/(graph|ops|tensor|autodiff)\//;
