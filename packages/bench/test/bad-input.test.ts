import { basename } from 'node:path';
import { file, suite, testComplaints } from './complaints.js';

testComplaints({
  'an unknown command': [['prams'], /one of run, params/, /Did you mean params\?/],
  'an unknown flag': [['--bach-size', '4'], /Did you mean --batch-size\?/],
  'an unknown method': [
    ['--method', 'lore'],
    /where: +methods\[0\]\.name set by --method/,
    /one of linear-probe, full, lora/,
    /Did you mean lora\?/,
  ],
  'an unknown preset': [
    ['--method', 'lora:publised'],
    /methods\[0\]\.preset/,
    /one of published, peft/,
    /Did you mean published\?/,
  ],
  'an unknown backend': [
    ['--backend', 'onnx-runtime'],
    /one of onnxruntime, webgpu, tfjs, reference/,
    /Did you mean onnxruntime\?/,
  ],
  'an unknown device': [
    ['--backend', 'onnxruntime:gpu'],
    /backends\[0\]\.device/,
    /one of cpu, webgpu, cuda/,
  ],
  'an unknown model': [
    ['--model', 'vit_tinny_patch16_224'],
    /where: +models\[0\] set by --model/,
    /Did you mean vit_tiny_patch16_224\?/,
  ],
  'a repository of the hub that is not downloaded': [
    ['--model', 'facebook/no-such-model'],
    /Run kora-bench data get facebook\/no-such-model/,
  ],
  'an unknown data set': [
    ['--source', 'cifar-100'],
    /where: +phases\[0\]\.data set by --source/,
    /Did you mean cifar100\?/,
  ],
  'a data set by a path without ./ before it': [
    ['--source', basename(file('photos.zip', ''))],
    /write \.\/photos\.zip\./,
  ],
  'a data set without the target of the task': [
    ['--source', 'procedural-depth'],
    /procedural-depth lacks a target of the task classification/,
    /where: +phases\[0\]\.data set by --source/,
    /expected: +data with label \(one class per image\): one of procedural-source/,
    /received: +procedural-depth, which has depth/,
    /fix: +Choose another data set or another task/,
  ],
  'an unknown phase in --task': [
    ['--task', 'source,depht'],
    /where: +--task/,
    /one of source, classification, transfer, depth/,
    /received: +depht/,
    /Did you mean depth\?/,
  ],
  'an unknown phase in --data': [
    ['--data', 'sorce=cifar100'],
    /where: +--data/,
    /phase=name, the phase one of source, transfer, depth/,
    /received: +sorce=cifar100/,
    /Did you mean source\?/,
  ],
  'an unknown phase in --protocol': [
    ['--protocol', 'tranfer=full'],
    /where: +--protocol/,
    /Did you mean transfer\?/,
  ],
  'an unknown phase in --set': [
    ['--set', 'phases.dept.training.epochs=1'],
    /where: +--set phases\.dept\.training\.epochs=1/,
    /one of source, transfer, depth/,
    /received: +dept\b/,
    /Did you mean depth\?/,
  ],
  'an unknown field in --set': [
    ['--set', 'phases.depth.training.epoch=1'],
    /where: +phases\[2\]\.training\.epoch set by --set/,
    /Did you mean epochs\?/,
  ],
  'a value that --set cannot set': [
    ['--set', 'phases.depth.training.epochs=many'],
    /where: +phases\[2\]\.training\.epochs set by --set/,
    /an integer from 1 to 1000/,
    /received: +"many"/,
  ],
  '--set without a value': [['--set', 'training.epochs'], /where: +--set/, /path=value/],
  'an unknown protocol': [
    ['--protocol', 'published'],
    /where: +phases\[1\]\.protocol set by --protocol/,
    /one of full, stratified, few-shot, as-published/,
    /Did you mean as-published\?/,
  ],
  'two phases of one name after all changes': [
    ['--suite', suite, '--set', 'phases.depth.name="source"'],
    /Two phases have the same name/,
    /where: +phases\[2\]\.name/,
    /received: +source/,
    /Rename one of them/,
  ],
  'an analysis that is asked for twice': [
    ['--suite', suite, '--set', 'analyses=["cka","merge","cka"]'],
    /The analysis cka is asked for twice/,
    /where: +analyses\[2\]/,
    /Remove one of them/,
  ],
  'an unknown kind of list': [['list', 'method'], /Did you mean methods\?/],
  'a number that is none': [
    ['--epochs', 'ten'],
    /training\.epochs set by --epochs/,
    /an integer from 1 to 1000/,
    /"ten"/,
  ],
  'a number out of range': [['--learning-rate', '-1'], /a number above 0/, /received: -1/],
  'a batch that is larger than the data': [
    ['--suite', suite, '--batch-size', '65'],
    /batch is larger than the data/,
    /at most 64/,
    /received: 65/,
  ],
  'the same cell twice': [['--suite', suite, '--seeds', '1,1'], /the same cell twice/],
  'data that is not there': [
    ['--suite', suite, '--source', 'tiny-imagenet'],
    /where: +.*no-data/,
    /fix: +Download http\S+tiny-imagenet-200\.zip/,
  ],
  'weights that are not there': [
    ['--suite', suite, '--model', 'vit_tiny_patch16_224'],
    /no-data/,
    /fix: +Download https:\S+vit_tiny_patch16_224/,
  ],
  'a comparison with nothing': [['compare', '.'], /There is nothing to compare with/, /compare BASE HEAD/],
  'a comparison within one file that is none of ab': [
    ['compare', file('other.json', { schemaVersion: 1 })],
    /The file of ab is not valid/,
  ],
  'a folder that is no run': [['audit', '.'], /not the folder of a run/, /no run\.json/],
  'no run to resume': [['--resume'], /There is no run yet/],
  'a parameter count without its model': [['params', '--classes', '10'], /--model/],
  'a class count that is none': [
    ['params', '--model', 'vit_tiny_patch16_224', '--classes', '0'],
    /integer of at least 1/,
  ],
});
