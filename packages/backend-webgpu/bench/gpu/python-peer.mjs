import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * Starts peer_pytorch.py.
 * @param python the interpreter to start
 * @returns `call(name, with)`, a promise of the answer of a method of the peer, and `stop`
 * @throws Error when the interpreter cannot be started or ends before it has answered
 */
export function startPythonPeer(python) {
  const script = fileURLToPath(new URL('peer_pytorch.py', import.meta.url));
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((_, reject) => {
    const fix = 'It needs the Python packages torch, timm, peft and safetensors; --python names another one.';
    child.once('error', ({ message }) => reject(new Error(`${python} did not start: ${message}. ${fix}`)));
    child.once('exit', (code) => reject(new Error(`${python} ended with code ${code}; see above. ${fix}`)));
  });
  ended.catch(() => undefined);
  // The pipe breaks when the interpreter ends, which `ended` tells better.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(name, args = {}) {
      child.stdin.write(`${JSON.stringify({ call: name, with: args })}\n`);
      const { value, done } = await Promise.race([lines.next(), ended]);
      return done ? ended : JSON.parse(value);
    },
    stop: () => child.stdin.end(),
  };
}
