/**
 * The process of a malicious replica: the disk, the links and the files of a real one, round a core that lies. It is told on its standard
 * input what to do, one JSON object a line, and ends when that ends, so that it cannot outlive the demonstration:
 *
 *   {"forge": {"client": hex, "operation": hex}}   {"tell": true}
 *
 * To the last it answers {"acts": number} on its standard output.
 */

import { createInterface } from 'node:readline';
import { readGenesisFile, readKeyFile, readReplicaConfig } from '../src/node/index.ts';
import { startNodeAround } from '../src/node/start-node.ts';
import { fromHex } from '../src/types/bytes.ts';
import { type MaliciousChoices, maliciousCore } from './malicious-core.ts';

/** What the demonstration writes to it. */
export type Command =
  | { readonly forge: { readonly client: string; readonly operation: string } }
  | { readonly tell: true };

/** What it is from its birth; beside the replica file on its command line, as JSON. */
export type Nature = Omit<MaliciousChoices, 'index'>;

const [configPath, nature] = process.argv.slice(2);
if (configPath === undefined || nature === undefined) {
  throw new Error('expected a replica file, and {"members": …, "seed": …, "behaviour": …}');
}
const config = await readReplicaConfig(configPath);
const core = maliciousCore({ ...(JSON.parse(nature) as Nature), index: config.index });
const { seed } = await readKeyFile(config.key);
const node = await startNodeAround(core.start, {
  genesis: await readGenesisFile(config.genesis),
  index: config.index,
  seed,
  dataDirectory: config.data,
  listen: config.listen,
  peers: config.peers,
  metrics: config.metrics,
});

const commands = createInterface({ input: process.stdin });
commands.on('line', (line) => obey(JSON.parse(line) as Command));
commands.on('close', () => void node.stop());
process.on('SIGTERM', () => void node.stop());
const failure = await node.stopped;
if (failure !== undefined) process.stderr.write(`${failure.message}\n`);
process.exit(failure === undefined ? 0 : 1);

function obey(command: Command): void {
  if ('forge' in command) core.forge(fromHex(command.forge.client)!, fromHex(command.forge.operation)!);
  else process.stdout.write(`${JSON.stringify({ acts: core.acts })}\n`);
}
