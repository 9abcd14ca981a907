import definition from '@kora-bench/backend-webgpu';
import { describe, expect, it } from 'vitest';
import { withAdapter } from './with-adapter.js';

withAdapter(() => {
  describe('features', () => {
    it('says of each whether it works, or why not', async () => {
      const [probe] = await definition.probe();
      const facts = probe!.facts!;
      for (const name of ['16-bit floats', 'subgroups', 'subgroup matrices', 'timestamp queries'])
        expect(facts[name]).toMatch(/^(yes|no: .{5})/);
      expect(facts['largest tensor']).toMatch(/^\d+(\.\d+)? [MG]iB$/);
    });

    it('uses all that work, and none that were turned off', async () => {
      const [probe] = await definition.probe();
      const works = (title: string) => probe!.facts![title]!.startsWith('yes');
      const open = async (options: unknown) => {
        const backend = await definition.create('gpu', definition.options.parse(options));
        await backend.dispose();
        return backend.versions.features!;
      };
      const all = await open({});
      expect(all.includes('f16')).toBe(works('16-bit floats'));
      expect(all.includes('subgroups')).toBe(works('subgroups'));
      expect(all.includes('timestamps')).toBe(works('timestamp queries'));
      expect(await open({ disabledFeatures: ['f16', 'subgroups', 'subgroupMatrix', 'timestamps'] })).toBe(
        'none',
      );
    });
  });
});

it.each([
  [{ disabledFeatures: ['fp16'] }, ['disabledFeatures', 0]],
  [{ timeoutSeconds: 0 }, ['timeoutSeconds']],
  [{ powerPreference: 'high' }, ['powerPreference']],
])('refuses the options %j', (options, path) => {
  expect(definition.options.safeParse(options).error?.issues[0]?.path).toEqual(path);
});
