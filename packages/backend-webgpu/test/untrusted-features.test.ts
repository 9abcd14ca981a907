import definition from '@kora-bench/backend-webgpu';
import { expect, it } from 'vitest';
import { create, globals } from 'webgpu';

// Dawn's null backend claims every feature and computes nothing.
Object.assign(globalThis, globals);
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });

it('does not trust a feature that the adapter claims but whose kernels compute wrong results', async () => {
  const [probe] = await definition.probe();
  expect(probe).toMatchObject({
    available: true,
    facts: {
      '16-bit floats': expect.stringMatching(/^no: a kernel that uses it gave \d+ instead of/),
      subgroups: 'no: a kernel that uses them computes wrong results',
      'subgroup matrices': expect.stringMatching(/^no: /),
    },
  });
});
