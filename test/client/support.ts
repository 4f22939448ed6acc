/** Public clients of an in-process cluster, closed after each test. */

import { type Client, type ClientNotice, type ConnectOptions, connect } from '../../src/client/index.ts';
import { HOST, seedOf, type TestCluster } from '../node/support.ts';
import { type Relay, startRelay } from './relay.ts';

const clients: Client[] = [];
const relays: Relay[] = [];

/** To be called after each test, before the cluster's `cleanUp`. */
export async function closeClients(): Promise<void> {
  for (const client of clients.splice(0)) await client.close();
  for (const relay of relays.splice(0)) await relay.close();
}

export interface Watched {
  readonly client: Client;
  readonly notices: ClientNotice[];
  /** The first notice, from the beginning on, that `matches`. */
  until(matches: (notice: ClientNotice) => boolean): Promise<ClientNotice>;
}

export async function connectTo(
  { genesis, ports }: TestCluster,
  options: Partial<ConnectOptions> = {},
): Promise<Watched> {
  const notices: ClientNotice[] = [];
  const looks = new Set<() => void>();
  const client = await connect({
    genesis,
    // Port 1 is nobody's.
    replicas: ports.map((port) => ({ host: HOST, port: port || 1 })),
    key: seedOf(100),
    networkLimits: { redialMaxMs: 100 },
    ...options,
    onEvent(notice) {
      notices.push(notice);
      for (const look of looks) look();
    },
  });
  clients.push(client);
  return {
    client,
    notices,
    until: (matches) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = notices.find(matches);
          if (found === undefined) return;
          looks.delete(look);
          resolve(found);
        };
        looks.add(look);
        look();
      }),
  };
}

/** The same on links that can fall silent, in the order of the replicas. */
export async function connectThroughRelays(
  cluster: TestCluster,
  options: Partial<ConnectOptions> = {},
): Promise<Watched & { readonly relays: readonly Relay[] }> {
  const own: Relay[] = [];
  for (const port of cluster.ports) own.push(await startRelay(port));
  relays.push(...own);
  const replicas = own.map(({ address }) => address);
  return { ...(await connectTo(cluster, { replicas, ...options })), relays: own };
}

export function countOf(notices: readonly ClientNotice[], type: ClientNotice['type']): number {
  return notices.filter((notice) => notice.type === type).length;
}
