/**
 * The process of a malicious replica: the disk, the links and the files of a real one, round a core that lies. It is told on its standard
 * input what to do, one JSON object a line, and ends when that ends, so that it cannot outlive the demonstration:
 *
 *   {"behave": "lying"}   {"behave": null}   {"forge": {"client": hex, "operation": hex}}   {"tell": true}
 *
 * To the last it answers {"acts": number} on its standard output.
 */

import { createInterface } from 'node:readline';
import { readGenesisFile, readKeyFile, readReplicaConfig } from '../src/node/index.ts';
import { startNodeAround } from '../src/node/start-node.ts';
import { fromHex } from '../src/types/bytes.ts';
import type { BehaviourName } from './behaviours.ts';
import { maliciousCore } from './malicious-core.ts';

/** What the demonstration writes to it. */
export type Command =
  | { readonly behave: BehaviourName | null }
  | { readonly forge: { readonly client: string; readonly operation: string } }
  | { readonly tell: true };

const [configPath, members, seed] = process.argv.slice(2);
if (configPath === undefined || members === undefined || seed === undefined) {
  throw new Error('expected a replica file, the indices of all malicious replicas (0,1), and a seed');
}
const config = await readReplicaConfig(configPath);
const core = maliciousCore(config.index, members.split(',').map(Number), Number(seed));
const { seed: keySeed } = await readKeyFile(config.key);
const node = await startNodeAround(core.start, {
  genesis: await readGenesisFile(config.genesis),
  index: config.index,
  seed: keySeed,
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
  if ('behave' in command) core.behave(command.behave ?? undefined);
  else if ('forge' in command) core.forge(fromHex(command.forge.client)!, fromHex(command.forge.operation)!);
  else process.stdout.write(`${JSON.stringify({ acts: core.acts })}\n`);
}
