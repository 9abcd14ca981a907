import { Command, Option } from 'commander';
import type { Report } from './arguments.js';
import {
  backend,
  json,
  method,
  names,
  notNegative,
  numberOrText,
  numbersOrTexts,
  peerList,
  positive,
  positiveInteger,
  ratesOrDefault,
  repeated,
  time,
  wholeNumber,
} from './arguments.js';
import { outputWidth } from './commands/output.js';
import { addAb, addCi, addCompare, addDashboard, addHistory } from './comparison-commands.js';

/**
 * The command line's grammar. A command's own code is imported when it runs, so that small commands start
 * fast. Every parser here throws instead of ending the process.
 */
export function buildProgram(report: Report, cellEntry?: string | URL): Command {
  const program = new Command('kora-bench')
    .description('Trains and judges parameter-efficient fine-tuning methods of Vision Transformers.')
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => outputWidth(process.stdout) ?? 80,
      getErrHelpWidth: () => outputWidth(process.stderr) ?? 80,
    })
    .showHelpAfterError('(--help shows all options)')
    .enablePositionalOptions();
  addRun(program, report, cellEntry);
  addParams(program, report);
  addThroughput(program, report);
  addList(program, report);
  addDoctor(program, report);
  addData(program, report);
  addAudit(program, report);
  addReport(program, report);
  addExport(program, report);
  addCompress(program, report);
  addNewMethod(program, report);
  addCompare(program, report, cellEntry);
  addHistory(program, report);
  addAb(program, report);
  addCi(program, report);
  addDashboard(program, report);
  return program;
}

const failOn = () =>
  new Option('--fail-on <severity>', 'end with exit code 3 where the audits found it, or graver').choices([
    'error',
    'warning',
  ]);

function addRun(program: Command, report: Report, cellEntry?: string | URL): void {
  program
    .command('run', { isDefault: true })
    .description('train and judge every method on every backend (the default)')
    .option('--suite <name>', 'a suite’s name or the path of a JSON file (default: default)')
    .option('--quick', 'lay the quick suite over it: few examples and epochs')
    .addOption(method())
    .addOption(backend())
    .option('--model <names>', 'backbones: names, repositories of the hub, or checkpoints’ folders', names)
    .option('--adapter <folder>', 'start from an adapter of peft’s, with its method and options')
    .option(
      '--source <data>',
      'data of the phase source, and of source-…: a name, or the path of a folder or archive',
    )
    .option('--target <data>', 'data of the phases that train a new head alone, such as transfer')
    .option('--depth <data>', 'data of the phase depth')
    .option('--data <phase=data>', 'data of any phase; can be given several times', names)
    .option('--task <names>', 'phases to run, by name or task; what they start from is trained too', names)
    .option(
      '--protocol <names>',
      'protocols of the phases that train a new head alone, or phase=protocol; see `list protocols`',
      names,
    )
    .option('--seeds <numbers>', 'seeds, e.g. 0,1,2', numbersOrTexts)
    .option('--epochs <n>', 'epochs of phases that say nothing else, such as source', numberOrText)
    .option('--batch-size <n>', 'batch size of phases that say nothing else', numberOrText)
    .option(
      '--learning-rate <x>',
      'learning rate of every method in phases that say nothing else',
      numberOrText,
    )
    .option(
      '--learning-rates <rates>',
      'choose every method’s rate on val: rates to try, e.g. 0.001,0.003,0.01, or default for five around its own',
      ratesOrDefault,
    )
    .option(
      '--limit <n>',
      'at most this many examples per split, in phases that say nothing else',
      numberOrText,
    )
    .option(
      '--set <path=value>',
      'change any field, e.g. phases.depth.training.epochs=1; can be given several times',
      repeated,
    )
    .option('--out <folder>', 'the run folder (default: runs/<time>-<suite>)')
    .option('--keep-weights', 'keep what each cell trains in the run folder, for `export` and `compress`')
    .option('--resume', 'do only what is missing or failed in --out or the latest run')
    .option('--dry-run', 'show the cells, how long they will take and the disk they need, and run nothing')
    .option('--no-estimate', 'do not measure beforehand how long the run will take')
    .option('--take-lock', 'take the run folder from a process that has it and is stuck or gone')
    .option('--minutes <n>', 'start no more cells once so many minutes are over; --resume goes on', positive)
    .option('--cell-timeout <time>', 'end a cell that takes longer, e.g. 90m or 2h (default: none)', time)
    .addOption(
      new Option('--hang-timeout <time>', 'end a cell that finishes no step of its work for so long, or none')
        .argParser(time)
        .default(30 * 60_000, '30m'),
    )
    .addOption(failOn())
    .addOption(json('print the results as JSON'))
    .action(async (options) => report(await (await import('./commands/run.js')).run(options, cellEntry)));
}

function addParams(program: Command, report: Report): void {
  program
    .command('params')
    .description('count trainable parameters without loading weights')
    .requiredOption('--model <name>', 'backbone: a name, a repository of the hub, or a checkpoint’s folder')
    .requiredOption('--classes <n>', 'outputs of the new head', positiveInteger)
    .addOption(method())
    .addOption(json())
    .action(async (options) => report(await (await import('./commands/params.js')).params(options)));
}

function addThroughput(program: Command, report: Report): void {
  program
    .command('throughput')
    .description('measure training steps against the machine’s best matrix product')
    .option('--suite <name>', 'whose methods, backends and models (default: default)')
    .addOption(backend())
    .addOption(method())
    .option('--model <name>', 'backbone: a name, a repository of the hub, or a checkpoint’s folder')
    .option('--batch-size <n>', 'images per step', positiveInteger, 16)
    .option('--classes <n>', 'outputs of the head', positiveInteger, 100)
    .option('--time <ms>', 'how long each method is measured, milliseconds', positiveInteger, 3000)
    .addOption(
      new Option(
        '--peers [names]',
        'beside the same step in the engine’s own library (own) or in PyTorch (pytorch)',
      )
        .preset('own')
        .argParser(peerList),
    )
    .option('--python <path>', 'the Python that has torch, timm and peft, for --peers pytorch', 'python3')
    .option('--no-peak', 'leave out the best matrix product, which takes longer than a short measurement')
    .addOption(json())
    .action(async (options) => report(await (await import('./commands/throughput.js')).throughput(options)));
}

function addList(program: Command, report: Report): void {
  program
    .command('list')
    .description('what is registered')
    .argument(
      '[kind]',
      'methods, backends, models, datasets, tasks, protocols, analyses or suites; all by default',
    )
    .addOption(json())
    .action(async (kind, options) => report(await (await import('./commands/list.js')).list(kind, options)));
}

function addDoctor(program: Command, report: Report): void {
  program
    .command('doctor')
    .description('try every backend on this machine')
    .addOption(json())
    .action(async (options) => report(await (await import('./commands/doctor.js')).doctor(options)));
}

function addNewMethod(program: Command, report: Report): void {
  program
    .command('new-method')
    .description('write a package with a method of your own, and register it')
    .argument('<name>', 'the method’s name, e.g. low-rank')
    .option('--from <template>', 'lora (values), ssf (weights in another form) or vpt (tokens)', 'lora')
    .action(async (name, options) =>
      report(await (await import('./commands/new-method.js')).newMethod(name, options)),
    );
}

function addData(program: Command, report: Report): void {
  const data = program.command('data').description('get or verify data sets and checkpoints');
  data
    .command('get')
    .description('download a checkpoint, or say how to get a data set')
    .argument('<name>', 'a model or data set')
    .action(async (name) => report(await (await import('./commands/data.js')).getData(name)));
  data
    .command('verify')
    .description('check what is there')
    .argument('<name>', 'a model or data set, or the path of a folder or archive of images')
    .addOption(json())
    .action(async (name, options) =>
      report(await (await import('./commands/data.js')).verifyData(name, options)),
    );
}

function addAudit(program: Command, report: Report): void {
  program
    .command('audit')
    .description('the findings of a run')
    .argument('[run]', 'a run folder, or latest', 'latest')
    .addOption(failOn())
    .addOption(json())
    .action(async (run, options) => report(await (await import('./commands/audit.js')).audit(run, options)));
}

function addReport(program: Command, report: Report): void {
  program
    .command('report')
    .description('write the report of a run again: the page, or its tables for a paper')
    .argument('[run]', 'a run folder, or latest', 'latest')
    .addOption(
      new Option(
        '--format <format>',
        'html; md, latex and csv: means over seeds; cells-csv: every measurement',
      )
        .choices(['html', 'md', 'latex', 'csv', 'cells-csv'])
        .default('html'),
    )
    .option(
      '--out <file>',
      'where to write it (default: html to report.html of the run, others to stdout; - is stdout)',
    )
    .action(async (run, options) =>
      report(await (await import('./commands/report.js')).report(run, options)),
    );
}

function addExport(program: Command, report: Report): void {
  program
    .command('export')
    .description('write what a cell trained for peft, timm or transformers; needs a run with --keep-weights')
    .argument('<run>', 'a run folder, or latest')
    .argument('<cell>', 'the id of a cell or its beginning, or a label that one cell has')
    .addOption(
      new Option(
        '--to <library>',
        'peft: an adapter; timm, transformers: a checkpoint with the method merged in',
      )
        .choices(['peft', 'timm', 'transformers'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'a new or empty folder')
    .option('--phase <name>', 'the phase whose model it is (default: the first)')
    .option('--draw <n>', 'of a phase with several draws, from 0', wholeNumber)
    .addOption(json())
    .action(async (run, cell, options) =>
      report(await (await import('./commands/export.js')).exportCell(run, cell, options)),
    );
}

function addCompress(program: Command, report: Report): void {
  program
    .command('compress')
    .description('measure how few bytes hold what cells trained; needs a run with --keep-weights')
    .argument('<run>', 'a run folder, or latest')
    .argument('[cells...]', 'ids of cells or their beginnings, or labels (default: all that are done)')
    .option('--phase <name>', 'the phase whose models they are (default: the first that is scored)')
    .option('--examples <n>', 'score at most so many of its examples, spread evenly', positiveInteger)
    .option(
      '--tolerance <x>',
      'points of a share, percent of another metric, that count as equal',
      notNegative,
      1,
    )
    .option(
      '--out <folder>',
      'where compressibility.json and compressibility.html go (default: the run folder)',
    )
    .addOption(json())
    .action(async (run, cells, options) =>
      report(await (await import('./commands/compress.js')).compress(run, cells, options)),
    );
}
