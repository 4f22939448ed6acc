/** Writes and reads one key of the cluster that `bft2f init` made and `bft2f up` runs. */

import { readFileSync } from 'node:fs';
import { connect, kv } from '../src/client/index.ts';
import { generateKey, readGenesisFile } from '../src/node/index.ts';

const client = await connect({
  genesis: await readGenesisFile('.bft2f/genesis.json'),
  replicas: JSON.parse(readFileSync('.bft2f/client.json', 'utf8')).replicas,
  key: generateKey().seed,
});
const store = kv(client);
await store.put('greeting', 'hello');
const answer = await store.get('greeting');
console.log(new TextDecoder().decode(answer?.value), 'as of batch', answer?.sequenceNumber);
await client.close();
