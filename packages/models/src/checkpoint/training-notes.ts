const datasets: Readonly<Record<string, string>> = {
  in1k: 'ImageNet-1k',
  in12k: 'ImageNet-12k',
  in21k: 'ImageNet-21k',
  in22k: 'ImageNet-22k',
  laion2b: 'LAION-2B',
  laion400m: 'LAION-400M',
  lvd142m: 'LVD-142M',
  webli: 'WebLI',
};

/**
 * What a tag of timm's pretrained weights says about their training, in words:
 * `augreg_in21k_ft_in1k` is "trained on ImageNet-21k, fine-tuned on ImageNet-1k".
 */
export function trainingNotes(tag: string): string[] {
  const stages = tag.split('_ft_').map((stage) => {
    const known = stage.split('_').filter((word) => datasets[word] !== undefined);
    return known.map((word) => datasets[word]).join(' and ');
  });
  const words = stages
    .map((names, i) => (names === '' ? '' : `${i === 0 ? 'trained' : 'fine-tuned'} on ${names}`))
    .filter((text) => text !== '');
  return words.length === 0 ? [] : [words.join(', ')];
}
