import { extending, file, testComplaints } from './complaints.js';

/** A suite with a published table of the method `done`; `columns` and `changes` are of the table. */
const withPublished = (name: string, measure: unknown, changes: object = {}) =>
  extending(`published-${name}.json`, {
    published: [
      {
        title: 'theirs',
        source: 'a paper',
        setting: { model: 'fake-model', phases: { source: { data: 'fake-classes' } } },
        columns: [{ title: 'theirs', measure, digits: 1 }],
        rows: [{ name: 'A', method: 'done', values: [1] }],
        ...changes,
      },
    ],
  });

const phase = (changes: object) => ({ phases: [{ name: 'source', ...changes }] });

const cka = (name: string, options: object) => extending(name, { analyses: [{ name: 'cka', options }] });

testComplaints({
  'an unknown task': [
    ['--suite', extending('task.json', phase({ task: 'clasification' }))],
    /where: +phases\[0\]\.task/,
    /one of classification, /,
    /received: +clasification/,
    /Did you mean classification\?/,
  ],
  'an unknown option of a task': [
    [
      '--suite',
      extending('task-option.json', phase({ task: { name: 'classification', options: { k: 1 } } })),
    ],
    /phases\[0\]\.task\.options\.k/,
    /Remove the field/,
  ],
  'an option of a protocol that is out of range': [
    ['--suite', extending('shots.json', phase({ protocol: { name: 'few-shot', options: { perClass: 0 } } }))],
    /where: +phases\[0\]\.protocol\.options\.perClass/,
    /an integer of at least 1/,
  ],
  'an unknown field of a phase': [
    ['--suite', extending('phase-field.json', phase({ epochs: 3 }))],
    /phases\[0\]\.epochs in .*phase-field\.json/,
    /one of the fields name, from, task, data, protocol, trains, headOf, training/,
  ],
  'an unknown field of a phase’s training': [
    ['--suite', extending('phase-training.json', phase({ training: { epoch: 3 } }))],
    /phases\[0\]\.training\.epoch in .*phase-training\.json/,
    /Did you mean epochs\?/,
  ],
  'a phase name with capitals': [
    ['--suite', extending('phase-name.json', { phases: [{ name: 'Far Away', task: 'depth', data: 'd' }] })],
    /phases\[3\]\.name in /,
    /"Far Away"/,
  ],
  'two phases of one name in one file': [
    [
      '--suite',
      extending('twins.json', { phases: [{ name: 'source' }, { name: 'depth' }, { name: 'source' }] }),
    ],
    /Two entries are named "source"/,
    /where: +phases in .*twins\.json/,
    /received: +source, depth, source/,
    /Rename one of them/,
  ],
  'a phase that starts from one that comes later': [
    ['--suite', extending('later.json', phase({ from: 'depth' }))],
    /where: +phases\[0\]\.from/,
    /null: this is the first phase/,
    /received: +depth/,
    /Move the phase depth before source/,
  ],
  'a phase that starts from itself': [
    ['--suite', extending('itself.json', { phases: [{ name: 'depth', from: 'depth' }] })],
    /where: +phases\[2\]\.from/,
    /expected: +one of source, transfer/,
    /received: +depth/,
  ],
  'a phase that starts from none that there is': [
    ['--suite', extending('nowhere.json', { phases: [{ name: 'depth', from: 'sourse' }] })],
    /There is no phase "sourse" to start from/,
    /where: +phases\[2\]\.from/,
    /one of source, transfer/,
    /Did you mean source\?/,
  ],
  'a head alone that starts from nothing': [
    ['--suite', extending('head.json', { phases: [{ name: 'transfer', from: null }] })],
    /where: +phases\[1\]\.from/,
    /expected: +the name of an earlier phase/,
    /received: +nothing/,
    /"trains": "all"/,
  ],
  'a split that is not there to be scored on': [
    [
      '--suite',
      extending('val.json', {
        phases: [{ name: 'transfer', protocol: 'as-published', evaluate: ['val', 'test'] }],
        training: { batchSize: 8 },
      }),
    ],
    /as-published has no validation examples/,
    /where: +phases\[1\]\.evaluate/,
    /expected: +\["test"\]/,
  ],
  'a head that reads a block that is not there': [
    [
      '--suite',
      extending('block.json', {
        phases: [
          {
            name: 'parts',
            task: { name: 'segmentation', options: { blocks: [99] } },
            data: 'fake-masks',
          },
        ],
      }),
    ],
    /fake-model has no block 99/,
    /where: +phases\[3\]\.task: segmentation option blocks\[0\]/,
    /different blocks from 0 to 1/,
    /received: +\[99\]/,
    /Name blocks that the model has/,
  ],
  'an unknown analysis': [
    ['--suite', extending('analysis.json', { analyses: ['ckaa'] })],
    /where: +analyses\[2\]/,
    /one of cka, merge/,
    /Did you mean cka\?/,
  ],
  'an analysis of an unknown phase': [
    [
      '--suite',
      extending('analysis-phase.json', { analyses: [{ name: 'cka', options: { phase: 'sorce' } }] }),
    ],
    /There is no phase "sorce" to look at/,
    /where: +analyses\[0\]\.options\.phase/,
    /one of source, transfer, depth/,
    /Did you mean source\?/,
  ],
  'CKA at a site that the model does not have': [
    ['--suite', cka('cka-site.json', { layers: ['attention'] })],
    /fake-model has no site "attention"/,
    /where: +analyses\[0\]\.options: layers/,
    /some of .*attn, attn\.residual/,
  ],
  'CKA that does not fit into its memory': [
    ['--suite', cka('cka-memory.json', { tokens: 'all', against: 'backbone', memoryMiB: 0.01 })],
    /does not fit into the memory/,
    /where: +analyses\[0\]\.options: memoryMiB/,
    /room for 1 MiB: 4 layers of up to 40 numbers an image and \d+ images at a time/,
    /received: +0\.01 MiB/,
    /Set a smaller batchSize/,
  ],
  'a bandwidth without an RBF kernel': [
    ['--suite', cka('cka-bandwidth.json', { bandwidth: 0.5 })],
    /where: +analyses\[0\]\.options\.bandwidth/,
    /the linear kernel has none/,
    /received: +0\.5/,
  ],
  'an exact RBF kernel': [
    ['--suite', cka('cka-exact.json', { kernel: 'rbf', estimator: 'exact' })],
    /where: +analyses\[0\]\.options\.estimator/,
    /"minibatch" for the RBF kernel/,
  ],
  'published results of a method that is not in the run': [
    ['--suite', withPublished('method', 'share', { rows: [{ name: 'LoRA', method: 'dome', values: [1] }] })],
    /The run has no method "dome"/,
    /where: +published\[0\]\.rows\[0\]\.method/,
    /expected: +one of done/,
    /Did you mean done\?/,
  ],
  'a published row that is too short': [
    ['--suite', withPublished('row', 'share', { rows: [{ name: 'LoRA', method: 'done', values: [] }] })],
    /where: +published\[0\]\.rows\[0\]\.values/,
    /expected: +1 value, for theirs/,
    /Write null where nothing is published/,
  ],
  'published results of a phase that is not in the run': [
    ['--suite', withPublished('phase', { phase: 'sauce', metric: 'top1' })],
    /where: +published\[0\]\.columns\[0\]\.measure\.phase/,
    /expected: +one of source, transfer, depth/,
    /Did you mean source\?/,
  ],
  'a published setting of a phase that is not in the run': [
    [
      '--suite',
      withPublished('setting', 'share', {
        setting: { model: 'fake-model', phases: { sauce: { data: 'fake-classes' } } },
      }),
    ],
    /where: +published\[0\]\.setting\.phases/,
    /received: +sauce/,
  ],
  'published results of a metric that the task does not have': [
    ['--suite', withPublished('metric', { phase: 'source', metric: 'top-1' })],
    /The run has no metric "top-1"/,
    /where: +published\[0\]\.columns\[0\]\.measure\.metric/,
    /one of top1, macroF1/,
    /Did you mean top1\?/,
  ],
  'published results of an evaluation that there is not': [
    ['--suite', withPublished('evaluation', { phase: 'source', metric: 'top1', evaluation: 'own labels' })],
    /columns\[0\]\.measure\.evaluation/,
    /expected: +one of test/,
  ],
  'published CKA of a block that the model does not have': [
    ['--suite', withPublished('block', { cka: [0, 2], estimate: 'biased' })],
    /columns\[0\]\.measure\.cka/,
    /expected: +blocks from 0 to 1/,
  ],
  'published CKA in a run that does not look at it': [
    [
      '--suite',
      file('no-cka.json', {
        extends: withPublished('cka', { cka: [0, 1], estimate: 'biased' }),
        analyses: [{ name: 'cka', remove: true }],
      }),
    ],
    /columns\[0\]\.measure/,
    /the analysis cka among "analyses"/,
  ],
  'a suite of the first form': [
    ['--suite', file('old.json', { extends: 'default', tasks: ['source'], source: 'cifar100' })],
    /in a form that is no longer read/,
    /where: +source, tasks in .*old\.json/,
    /"models", and "phases" with a task, data and a protocol each/,
    /Describe each task as a phase; suites\/default\.json is an example/,
  ],
  'an unknown suite': [['--suite', 'defualt'], /Did you mean default\?/],
  'a method’s option out of range': [
    [
      '--suite',
      extending('rank.json', { methods: [{ name: 'full' }, { name: 'lora', options: { rank: 0 } }] }),
    ],
    /where: +methods\[1\]\.options\.rank/,
    /an integer from 1 to 1024/,
    /received: 0/,
  ],
  'a method that is wider than a layer of the model': [
    ['--suite', extending('wide.json', { methods: [{ name: 'repadapter', options: { bottleneck: 512 } }] })],
    /do not fit blocks\.0\.attn\.qkv of fake-model/,
    /expected: +at most [0-9]+, what the layer reads/,
  ],
  'a method on a site that the model does not have': [
    ['--suite', extending('site.json', { methods: [{ name: 'ssf', options: { targets: ['fc_norm'] } }] })],
    /fake-model has no site "fc_norm"/,
    /expected: +patch_embed, /,
  ],
  'a method’s unknown option': [
    ['--suite', extending('rnak.json', { methods: [{ name: 'lora', options: { rnak: 4 } }] })],
    /methods\[0\]\.options\.rnak/,
    /Did you mean rank\?/,
  ],
  'a suite with an unknown field': [
    ['--suite', extending('field.json', { training: { epoch: 2 } })],
    /where: +training\.epoch in .*field\.json/,
    /Did you mean epochs\?/,
  ],
  'a suite that is not complete': [
    ['--suite', file('part.json', { methods: [{ name: 'lora' }] })],
    /where: +backends in /,
    /Add backends or take what is missing from another suite with "extends": "default"/,
  ],
  'a suite that is not complete and has a misspelt field': [
    ['--suite', file('part-epoch.json', { training: { epoch: 2 } })],
    /training\.epoch in /,
    /Did you mean epochs\?/,
  ],
  'a suite with a wrong type': [
    ['--suite', extending('type.json', { training: { optimizer: { kind: 'adamw', beta1: 'high' } } })],
    /training\.optimizer\.beta1/,
    /a number of at least 0 and below 1/,
    /"high"/,
  ],
  'a suite that is not JSON': [
    ['--suite', file('broken.json', '{"methods": [')],
    /broken\.json/,
    /not valid JSON/,
  ],
  'a suite that is not there': [['--suite', './absent.json'], /absent\.json/, /no such file/],
  'suites in a circle': [
    ['--suite', file('ring.json', { extends: './ring.json' })],
    /extend each other in a circle/,
  ],
});
