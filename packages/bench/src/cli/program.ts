import { Command, InvalidArgumentError, Option } from 'commander';

/** Takes the exit code of the command that ran. */
export type Report = (code: number) => void;

/**
 * The command line's grammar. A command's own code is imported when it runs, so that small commands start
 * fast. Every parser here throws instead of ending the process.
 */
export function buildProgram(report: Report, cellEntry?: string | URL): Command {
  const program = new Command('kora-bench')
    .description('Trains and judges parameter-efficient fine-tuning methods of Vision Transformers.')
    .exitOverride()
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
  return program;
}

const json = (what = 'print JSON') => new Option('--json', what);
const method = () =>
  new Option('--method <names>', 'methods: names, labels of the suite, or name:preset').argParser(names);
const backend = () => new Option('--backend <names>', 'backends: names or name:device').argParser(names);

function addRun(program: Command, report: Report, cellEntry?: string | URL): void {
  program
    .command('run', { isDefault: true })
    .description('train and judge every method on every backend (the default)')
    .option('--suite <name>', 'a suite’s name or the path of a JSON file (default: default)')
    .option('--quick', 'lay the quick suite over it: few examples and epochs')
    .addOption(method())
    .addOption(backend())
    .option('--model <names>', 'backbones: names or checkpoints’ folders', names)
    .option('--source <data>', 'data of the phase source: a name, or the path of a folder or archive')
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
    .option('--resume', 'do only what is missing or failed in --out or the latest run')
    .addOption(json('print the results as JSON'))
    .action(async (options) => report(await (await import('./commands/run.js')).run(options, cellEntry)));
}

function addParams(program: Command, report: Report): void {
  program
    .command('params')
    .description('count trainable parameters without loading weights')
    .requiredOption('--model <name>', 'backbone: a name or a checkpoint’s folder')
    .requiredOption('--classes <n>', 'outputs of the new head', positiveInteger)
    .addOption(method())
    .addOption(json())
    .action(async (options) => report(await (await import('./commands/params.js')).params(options)));
}

function addThroughput(program: Command, report: Report): void {
  program
    .command('throughput')
    .description('measure training steps against the machine’s best matrix product')
    .addOption(backend())
    .addOption(method())
    .option('--model <name>', 'backbone: a name or a checkpoint’s folder')
    .option('--batch-size <n>', 'images per step', positiveInteger, 16)
    .option('--classes <n>', 'outputs of the head', positiveInteger, 100)
    .option('--time <ms>', 'how long each method is measured, milliseconds', positiveInteger, 3000)
    .option('--peers', 'beside the same step in the engine’s own library, where a backend has one')
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
    .argument('<name>', 'a model or data set')
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
    .addOption(json())
    .action(async (run, options) => report(await (await import('./commands/audit.js')).audit(run, options)));
}

function addReport(program: Command, report: Report): void {
  program
    .command('report')
    .description('write the HTML report of a run again')
    .argument('[run]', 'a run folder, or latest', 'latest')
    .action(async (run) => report(await (await import('./commands/report.js')).report(run)));
}

/** Comma-separated names; a flag that is given twice adds to the first. */
export function names(text: string, before: readonly string[] = []): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === ''))
    throw new InvalidArgumentError('Expected names with commas between, none empty.');
  return [...before, ...parts];
}

/** A number; text that is none stays as it is, so that the configuration's check can show it. */
export function numberOrText(text: string): number | string {
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}

/** Comma-separated numbers. */
export function numbersOrTexts(text: string): (number | string)[] {
  return text.split(',').map(numberOrText);
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected an integer of at least 1.');
  return value;
}

/** Text as it is; a flag that is given twice adds to the first. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
