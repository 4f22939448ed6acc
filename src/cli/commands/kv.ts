/** `bft2f kv …`: the key-value service from the command line. */

import { writeFile } from 'node:fs/promises';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { type CallOptions, encodeReceipt, type KvClient, kv, type Receipt } from '../../client/index.ts';
import { type KvCondition, kvExpected, kvExpiry, VALUE_BYTES_MAX } from '../../services/kv/index.ts';
import { DEFAULT_DIRECTORY, integerArgument } from '../cluster-directory.ts';
import { jsonLine, textLine } from '../entry-lines.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { withClient } from '../open-client.ts';
import type { CommandContext } from '../program.ts';
import { kvLoadCommand } from './kv-load.ts';

export interface KvOptions {
  readonly directory: string;
  readonly deadline: number;
}

interface ReadingOptions extends KvOptions {
  readonly ordered?: boolean;
  /** Where the receipt of what was ordered is written. */
  readonly receipt?: string;
}

const TIME_MS_MAX = 2 ** 31 - 1;

export function kvCommand(context: CommandContext): Command {
  return new Command('kv')
    .description('use the replicated key-value store')
    .addCommand(getCommand(context))
    .addCommand(putCommand(context))
    .addCommand(deleteCommand(context))
    .addCommand(casCommand(context))
    .addCommand(incrCommand(context))
    .addCommand(scanCommand(context))
    .addCommand(kvLoadCommand(context))
    .addHelpText(
      'after',
      `
Each command waits for a quorum of replicas to sign its result. All of them use one durable session, whose state is in
the cluster's directory: what a killed command had sent, the next one brings to its end.

Examples:
  bft2f kv put greeting hello
  bft2f kv get greeting
  bft2f kv scan --prefix user/ --limit 10`,
    );
}

/** A command on the store, with the options that all of them have. */
export function storeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('-d, --directory <path>', 'the directory with client.json', DEFAULT_DIRECTORY)
    .option('--deadline <ms>', 'how long to wait for a quorum', integerArgument(1, TIME_MS_MAX), 30_000);
}

function readingCommand(name: string, description: string): Command {
  return storeCommand(name, description).option('--ordered', 'order the read like a write');
}

/** A command that is ordered, so that there is a receipt. */
function writingCommand(name: string, description: string): Command {
  return storeCommand(name, description).option('--receipt <file>', 'write the proof of it to a file');
}

/** Runs `work` on the store. */
async function use<T>(
  { terminal }: CommandContext,
  { directory, deadline, ordered = false, receipt }: ReadingOptions,
  work: (store: KvClient, call: CallOptions & { readonly ordered: boolean }) => Promise<T>,
): Promise<T> {
  let proof: Uint8Array | undefined;
  try {
    return await withClient(terminal, directory, {}, (client) => {
      const onReceipt = (it: Receipt) => {
        proof = encodeReceipt(client.cluster, it);
      };
      return work(kv(client), { signal: terminal.signal, deadlineMs: deadline, ordered, onReceipt });
    });
  } finally {
    // Also of what the service refused: that is an answer too.
    if (receipt !== undefined && proof !== undefined) await writeFile(receipt, proof);
  }
}

function getCommand(context: CommandContext): Command {
  const { terminal } = context;
  return readingCommand('get', 'print the value of a key')
    .argument('<key>')
    .option('--raw', 'exactly the bytes of the value, without a newline after them')
    .option('--receipt <file>', 'order it, and write the proof that the key had this value, or was absent')
    .addHelpText(
      'after',
      `\nExamples:\n  bft2f kv get greeting\n  bft2f kv get greeting --receipt greeting.receipt`,
    )
    .action(async (key: string, { raw, ...options }: ReadingOptions & { raw?: true }) => {
      // Only what is ordered has a receipt.
      const ordered = options.ordered === true || options.receipt !== undefined;
      const found = await use(context, { ...options, ordered }, (store, call) => store.get(key, call));
      if (found === undefined) throw new CommandError(EXIT.no, `there is no key "${key}"`);
      terminal.out(found.value);
      if (!raw) terminal.out('\n');
    });
}

function putCommand(context: CommandContext): Command {
  const { terminal } = context;
  return writingCommand('put', 'set a key, and print its new version')
    .argument('<key>')
    .argument('<value>', 'the value, or - for the standard input')
    .option(...EXPIRE_OPTION)
    .addHelpText(
      'after',
      `\nExamples:\n  bft2f kv put greeting hello\n  bft2f kv put logo - < logo.png\n  bft2f kv put deed signed --receipt deed.receipt`,
    )
    .action(async (key: string, value: string, options: KvOptions & { expireAfter?: number }) => {
      const bytes = value === '-' ? await terminal.readInput() : value;
      const expiry = expiryOf(options.expireAfter);
      const version = await use(context, options, (store, call) =>
        store.put(key, bytes, { ...call, expiry }),
      );
      terminal.out(`${version}\n`);
    });
}

const EXPIRE_OPTION = [
  '--expire-after <ms>',
  'remove the key after this time (of the cluster)',
  integerArgument(1, Number.MAX_SAFE_INTEGER),
] as const;

function expiryOf(afterMs: number | undefined) {
  return afterMs === undefined ? kvExpiry.never : kvExpiry.after(afterMs);
}

function deleteCommand(context: CommandContext): Command {
  return writingCommand('delete', 'remove a key')
    .argument('<key>')
    .addHelpText('after', `\nExample:\n  bft2f kv delete greeting`)
    .action(async (key: string, options: KvOptions) => {
      const existed = await use(context, options, (store, call) => store.delete(key, call));
      if (!existed) throw new CommandError(EXIT.no, `there was no key "${key}"`);
    });
}

interface CasOptions extends KvOptions {
  readonly expectValue?: string;
  readonly expectVersion?: number;
  readonly expectAbsent?: true;
  readonly expectPresent?: true;
  readonly expireAfter?: number;
}

function casCommand(context: CommandContext): Command {
  const { terminal } = context;
  return writingCommand('cas', 'set a key only if it is as expected, and print its new version')
    .argument('<key>')
    .argument('<value>', 'the new value')
    .option('--expect-value <value>', 'it has this value now', valueArgument)
    .option(
      '--expect-version <version>',
      'it was not changed since it had this version',
      integerArgument(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--expect-absent', 'there is no such key')
    .option('--expect-present', 'there is such a key')
    .option(...EXPIRE_OPTION)
    .addHelpText('after', `\nExample:\n  bft2f kv cas owner alice --expect-absent`)
    .action(async (key: string, value: string, options: CasOptions) => {
      const expected = expectedBy(options);
      const expiry = expiryOf(options.expireAfter);
      const outcome = await use(context, options, (store, call) =>
        store.compareAndSet(key, expected, value, { ...call, expiry }),
      );
      if (outcome.done) {
        terminal.out(`${outcome.version}\n`);
        return;
      }
      const state = outcome.version === undefined ? 'it is absent' : `it has version ${outcome.version}`;
      throw new CommandError(EXIT.no, `"${key}" is not as expected: ${state}; nothing was changed`);
    });
}

function valueArgument(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= VALUE_BYTES_MAX) return text;
  throw new InvalidArgumentError(`it has ${bytes} bytes; a value has at most ${VALUE_BYTES_MAX}.`);
}

/** @throws CommandError unless exactly one expectation is given */
function expectedBy({ expectValue, expectVersion, expectAbsent, expectPresent }: CasOptions): KvCondition {
  const given: KvCondition[] = [];
  if (expectValue !== undefined) given.push(kvExpected.value(expectValue));
  if (expectVersion !== undefined) given.push(kvExpected.version(expectVersion));
  if (expectAbsent) given.push(kvExpected.absent);
  if (expectPresent) given.push(kvExpected.present);
  if (given.length === 1) return given[0]!;
  throw new CommandError(
    EXIT.usage,
    `give exactly one of --expect-value, --expect-version, --expect-absent and --expect-present, not ${given.length}`,
  );
}

function incrCommand(context: CommandContext): Command {
  const { terminal } = context;
  return writingCommand('incr', 'add to the integer that a key holds (absent: 0), and print the sum')
    .argument('<key>')
    .addArgument(
      // The default in words: help would print it as JSON, which has no bigint.
      new Argument('[by]', 'a signed 64-bit integer').argParser(int64Argument).default(1n, '1'),
    )
    .addHelpText('after', `\nExamples:\n  bft2f kv incr visits\n  bft2f kv incr balance -- -5`)
    .action(async (key: string, by: bigint, options: KvOptions) => {
      const sum = await use(context, options, (store, call) => store.increment(key, by, call));
      terminal.out(`${sum}\n`);
    });
}

function int64Argument(text: string): bigint {
  const value = /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || BigInt.asIntN(64, value) !== value) {
    throw new InvalidArgumentError('expected a signed 64-bit integer, such as 1 or -5.');
  }
  return value;
}

interface ScanOptions extends ReadingOptions {
  readonly prefix?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
  readonly json?: true;
}

function scanCommand(context: CommandContext): Command {
  const { terminal } = context;
  return readingCommand('scan', 'print keys and values in the order of the keys')
    .option('--prefix <text>', 'only keys that begin so')
    .option('--from <key>', 'the first key')
    .option('--to <key>', 'the end, not included')
    .option('--limit <n>', 'at most so many', integerArgument(1, Number.MAX_SAFE_INTEGER))
    .option('--json', 'one JSON object a line; keys and values that are no UTF-8 text are in base64')
    .addHelpText(
      'after',
      `
Each page of up to 1,000 entries is one consistent read; between two pages the store may change. A line is key, tab, value;
in both, backslash, tab, newline and carriage return are printed as \\\\ \\t \\n \\r, and other bytes that are no printable UTF-8
text as \\xHH. "kv load" reads what is printed, with --json or without.

Examples:
  bft2f kv scan --prefix user/ --limit 10
  bft2f kv scan --json > copy.jsonl`,
    )
    .action(async ({ prefix, from, to, limit, json, ...options }: ScanOptions) => {
      if (prefix !== undefined && to !== undefined) {
        throw new CommandError(EXIT.usage, 'give either --prefix or --to, not both');
      }
      const range = {
        ...(prefix === undefined ? {} : { prefix }),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(limit === undefined ? {} : { limit: Math.min(limit, 1000) }),
      };
      await use(context, options, async (store, call) => {
        let left = limit ?? Number.POSITIVE_INFINITY;
        for await (const entry of store.scan(range, call)) {
          terminal.out(json ? jsonLine(entry) : textLine(entry));
          left--;
          if (left === 0) break;
        }
      });
    });
}
