import { readFileSync } from 'node:fs';
import { canMerge, modelParameters } from '@kora-bench/core/training';
import ssf from '@kora-bench/method-ssf';
import { toyTask } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

/** Features that a block of ViT-B/16 gives: two norms, qkv, the projection and the MLP. */
const perBlock = 2 * 768 + 3 * 768 + 768 + 3072 + 768;

describeMethod(ssf, {
  forms: {
    'from the backbone': { std: 0 },
    'of a part of qkv': { targets: ['attn.v', 'mlp.fc2'] },
    'between layers': { targets: ['attn.context', 'norm2'] },
  },
  refused: [
    [{ targets: [] }, /targets/],
    [{ targets: ['norm1', 'norm1'] }, /names a layer twice/],
    [{ std: -1 }, /std/],
    [{ scale: 1 }, /scale/],
  ],
  counts: [
    [{}, 2 * (768 + 12 * perBlock + 768) + 76_900],
    [{ targets: ['mlp.fc1'] }, 2 * 12 * 3072 + 76_900],
  ],
});

test('three steps are those of the formula in PyTorch', async () => {
  const file = readFileSync(new URL('fixtures/pytorch.safetensors', import.meta.url));
  const { losses, parameters } = await replayTraining(ssf, {}, file);
  expect(losses).toBeLessThan(1e-6);
  for (const [parameter, difference] of parameters) expect(difference, parameter).toBeLessThan(1e-6);
});

const configured = (given: object) => ({ definition: ssf, options: ssf.options.parse(given) });

test('it merges by itself unless it acts where there is no layer', () => {
  expect(canMerge(toyVit, configured({}))).toBe(true);
  expect(canMerge(toyVit, configured({ targets: ['attn.v'] }))).toBe(true);
  expect(canMerge(toyVit, configured({ targets: ['mlp.act'] }))).toBe(false);
});

test('scales and shifts have no weight decay', () => {
  const own = modelParameters(toyVit, configured({}), toyTask).filter(({ owner }) => owner === 'method');
  expect(own.length).toBe(2 * (2 * 6 + 2));
  for (const { name, update } of own) expect(update, name).toEqual({ weightDecay: 0 });
});

test('a linear layer without a bias is scaled and shifted behind it, a vector of scales is left alone', () => {
  const sites = toyVit.sites.map((site) => {
    if (site.kind === 'patch_embed') return { ...site, bias: undefined };
    return site.kind === 'norm2' ? { ...site, bias: undefined } : site;
  });
  const model = { ...toyVit, sites: sites as typeof toyVit.sites };
  const names = ssf.parameters(model, ssf.options.parse({})).map(({ name }) => name);
  expect(names).toContain('patch_embed.shift');
  expect(names).not.toContain('blocks.0.norm2.scale');
  expect(canMerge(model, configured({}))).toBe(false);
});

test('a kind of site that the model does not have is refused by name', () => {
  expect(() => ssf.parameters(toyVit, ssf.options.parse({ targets: ['fc_norm'] }))).toThrow(
    /toy-vit has no site "fc_norm"/,
  );
});
