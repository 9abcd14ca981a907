/** The kinds of things that packages register. */
export const registryKinds = ['methods', 'backends', 'models', 'datasets'] as const;
export type RegistryKind = (typeof registryKinds)[number];

/** What the suite brings along: a package, and the export that holds its definitions. */
export const defaultPackages: Readonly<
  Record<RegistryKind, readonly { readonly name: string; readonly exportName: string }[]>
> = {
  methods: [
    { name: '@kora-bench/method-linear-probe', exportName: 'default' },
    { name: '@kora-bench/method-full', exportName: 'default' },
    { name: '@kora-bench/method-lora', exportName: 'default' },
    { name: '@kora-bench/method-adapter-fusion', exportName: 'default' },
    { name: '@kora-bench/method-kora', exportName: 'default' },
    { name: '@kora-bench/method-kora-chain', exportName: 'default' },
  ],
  backends: [
    { name: '@kora-bench/backend-ort', exportName: 'default' },
    { name: '@kora-bench/backend-webgpu', exportName: 'default' },
    { name: '@kora-bench/backend-reference', exportName: 'default' },
  ],
  models: [{ name: '@kora-bench/models', exportName: 'models' }],
  datasets: [{ name: '@kora-bench/datasets', exportName: 'datasets' }],
};
