/** The commands put together: parsing, help, and how errors become one clear line and an exit code. */

import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { ClientError, KvError } from '../client/index.ts';
import { NodeError } from '../node/index.ts';
import { auditCommand } from './commands/audit.ts';
import { demoCommand } from './commands/demo.ts';
import { evidenceCommand } from './commands/evidence.ts';
import { formatCommand } from './commands/format.ts';
import { genesisCommand } from './commands/genesis.ts';
import { headCommand } from './commands/head.ts';
import { initCommand } from './commands/init.ts';
import { keygenCommand } from './commands/keygen.ts';
import { kvCommand } from './commands/kv.ts';
import { receiptCommand } from './commands/receipt.ts';
import { replicaCommand } from './commands/replica.ts';
import { statusCommand } from './commands/status.ts';
import { stopCommand } from './commands/stop.ts';
import { upCommand } from './commands/up.ts';
import { witnessCommand } from './commands/witness.ts';
import { CommandError, EXIT, EXIT_CODES_HELP, exitCodeOf } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** What a command needs beside its arguments. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** How the command ends if it does not throw; 0 unless it is set. */
  exitCode: number;
}

// By the package's own name: how far away the file is depends on where this was compiled to.
const { version } = createRequire(import.meta.url)('bft2f/package.json') as { version: string };

const EXAMPLES = `
Examples:
  bft2f init                     make keys and files for four replicas in .bft2f/
  bft2f up                       run them here until Ctrl-C
  bft2f kv put greeting hello    in another terminal
  bft2f kv get greeting
  bft2f status                   what each replica says, and what the cluster promises now`;

const COMMANDS = [
  initCommand,
  upCommand,
  statusCommand,
  stopCommand,
  kvCommand,
  receiptCommand,
  headCommand,
  evidenceCommand,
  auditCommand,
  replicaCommand,
  witnessCommand,
  keygenCommand,
  genesisCommand,
  formatCommand,
  demoCommand,
];

/** Runs one command line (without the program's name); answers the exit code and never rejects. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  const context: CommandContext = { terminal, exitCode: EXIT.ok };
  const program = new Command('bft2f')
    .description('Byzantine-fault-tolerant replication whose forks can be detected and proved.')
    .version(version, '--version', 'print the version')
    .addHelpText('after', `${EXAMPLES}\n${EXIT_CODES_HELP}`);
  for (const make of COMMANDS) program.addCommand(make(context));
  for (const command of descendantsOf(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      outputError: (text, write) => write(terminal.colors.red(oneLine(text, command))),
    });
    if (command !== program) command.showHelpAfterError(false);
  }
  try {
    if (args.length === 0) {
      terminal.out(program.helpInformation());
      terminal.out(`${EXAMPLES}\n${EXIT_CODES_HELP}\n`);
      return EXIT.ok;
    }
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    terminal.err(`${terminal.colors.red('error:')} ${textOf(error)}\n`);
    return exitCodeOf(error);
  }
}

function descendantsOf(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(descendantsOf)];
}

/** Commander's complaint with the way out: the help of the very command. */
function oneLine(text: string, command: Command): string {
  const names: string[] = [];
  for (let it: Command | null = command; it !== null; it = it.parent) names.unshift(it.name());
  const complaint = text
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/'([^']{60})[^']+'/g, "'$1…'")
    .replace(
      /^(error: )?command-argument value ('.*') is invalid for argument '(.*?)'\. /,
      "$1argument '$3' is $2: ",
    )
    .replace(' is invalid. ', ' is invalid: ')
    .replace(/\.$/, '');
  return `${complaint}; see "${names.join(' ')} --help"\n`;
}

/** Errors made for people say all in their message; of others the stack is what helps. */
function textOf(error: unknown): string {
  const isMadeForPeople = [CommandError, ClientError, KvError, NodeError].some(
    (kind) => error instanceof kind,
  );
  // Here the caller is a person at the keyboard, and has said so with Ctrl-C.
  if (error instanceof ClientError && error.code === 'ABORTED') {
    return `interrupted; ${error.outcome === 'not-applied' ? 'nothing was applied' : 'it may still be applied'}`;
  }
  if (isMadeForPeople) return (error as Error).message;
  return `unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
