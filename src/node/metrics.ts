/** Prometheus metrics of one replica, fed by its events and read from its state when they are asked for. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ReplicaEvent } from '../protocol/replica/io.ts';
import type { LogStats } from '../storage/log.ts';
import { isReady, type NodeView } from './node-view.ts';
import type { VerifyCache } from './verify-cache.ts';

export interface Metrics {
  noteEvent(event: ReplicaEvent): void;
  noteMalformed(sender: 'replica' | 'client'): void;
  noteSync(durationMs: number): void;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

export interface MetricsSources {
  readonly view: () => NodeView;
  readonly inbox: { readonly size: number; readonly dropped: number };
  readonly signatures: Pick<VerifyCache, 'stats' | 'made'>;
  readonly log: LogStats;
  /** Files and directories synced. */
  readonly fileSyncs: () => number;
}

/** Seconds; a sync of a good disk takes below a millisecond, of a slow one tens. */
const SYNC_BUCKETS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2];
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

export function createMetrics(sources: MetricsSources): Metrics {
  const registers = [new Registry()];
  const register = registers[0]!;
  const events = new Counter({
    name: 'bft2f_events_total',
    help: 'Events of the replica by type',
    labelNames: ['type'],
    registers,
  });
  const refused = new Counter({
    name: 'bft2f_refused_total',
    help: 'Messages refused, by message and reason',
    labelNames: ['sender', 'message', 'reason'],
    registers,
  });
  const operations = new Counter({ name: 'bft2f_operations_total', help: 'Operations executed', registers });
  const requests = new Counter({ name: 'bft2f_requests_total', help: 'Requests executed', registers });
  const syncSeconds = new Histogram({
    name: 'bft2f_sync_seconds',
    help: 'Time to make one group of log records durable',
    buckets: SYNC_BUCKETS,
    registers,
  });
  const batchRequests = new Histogram({
    name: 'bft2f_batch_requests',
    help: 'Requests in an executed batch',
    buckets: BATCH_BUCKETS,
    registers,
  });
  addGauges(registers, sources);
  addTotals(registers, sources);

  return {
    noteEvent(event) {
      events.inc({ type: event.type });
      if (event.type === 'refused') {
        refused.inc({ sender: event.from.kind, message: event.message, reason: event.reason });
      }
      if (event.type === 'executed') {
        requests.inc(event.requests);
        operations.inc(event.operations);
        batchRequests.observe(event.requests);
      }
    },
    noteMalformed: (sender) => refused.inc({ sender, message: 'unknown', reason: 'MALFORMED' }),
    noteSync: (durationMs) => syncSeconds.observe(durationMs / 1000),
    text: () => register.metrics(),
    contentType: register.contentType,
  };
}

function addGauges(registers: Registry[], { view, inbox }: MetricsSources): void {
  const gauge = (name: string, help: string, read: (view: NodeView) => number): void => {
    new Gauge({
      name: `bft2f_${name}`,
      help,
      registers,
      collect() {
        this.set(read(view()));
      },
    });
  };
  gauge('view', 'The view this replica is in or changes to', ({ replica }) => replica.view);
  gauge('view_changing', '1 while a view change is under way', ({ replica }) =>
    replica.phase === 'changing' ? 1 : 0,
  );
  gauge('committed', 'All batches up to here are committed', ({ replica }) => replica.committed);
  gauge(
    'executed',
    'All batches up to here are executed',
    ({ replica }) => replica.ledger.executed.sequenceNumber,
  );
  gauge('stable', 'The last stable checkpoint', ({ replica }) => replica.stable);
  gauge('ready', '1 when started and not behind', ({ replica }) => (isReady(replica) ? 1 : 0));
  gauge('learner', '1 when this replica signs nothing any more', ({ replica }) =>
    replica.silence === 'learner' ? 1 : 0,
  );
  gauge('pending_requests', 'Requests that wait to be ordered', ({ replica }) => replica.pending.size);
  gauge('pending_bytes', 'Bytes of the requests that wait', ({ replica }) => replica.pendingBytes);
  gauge('sessions', 'Open sessions', ({ replica }) => replica.ledger.sessions.byAge.size);
  gauge('guilty_replicas', 'Replicas proved faulty', ({ replica }) => replica.guilty.size);
  gauge(
    'request_timeout_seconds',
    'How long the oldest requests may wait before this replica suspects the view',
    ({ replica }) => replica.timeoutMs / 1000,
  );
  gauge('log_bytes', 'Bytes of the log on disk', ({ logBytes }) => logBytes);
  gauge('inbox_inputs', 'Inputs that wait for the replica', () => inbox.size);
  gauge('resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
  gauge('client_connections', 'Connections of clients', ({ transport }) => transport.clientConnections);
  new Gauge({
    name: 'bft2f_peer_connected',
    help: '1 while there is a link to the peer',
    labelNames: ['peer'],
    registers,
    collect() {
      const { replica, transport } = view();
      for (const [peer, { connected }] of transport.peers.entries()) {
        if (peer !== replica.index) this.set({ peer }, connected ? 1 : 0);
      }
    },
  });
}

/** What is counted elsewhere, shown as counters: each is set to what it has come to. */
function addTotals(registers: Registry[], { view, inbox, signatures, log, fileSyncs }: MetricsSources): void {
  const total = (name: string, help: string, label: string, read: () => Record<string, number>): void => {
    new Counter({
      name: `bft2f_${name}_total`,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
      },
    });
  };
  total('transport', 'Frames, bytes and writes of the transport', 'what', () => {
    const { framesReceived, framesSent, bytesReceived, bytesSent, writes } = view().transport;
    return { framesReceived, framesSent, bytesReceived, bytesSent, writes };
  });
  total('transport_dropped', 'Frames that never left', 'reason', () => view().transport.dropped);
  total('transport_closed', 'Connections ended or refused', 'reason', () => view().transport.closed);
  total('signatures', 'Signatures made, verified, and known from before', 'how', () => ({
    made: signatures.made,
    verified: signatures.stats.misses,
    remembered: signatures.stats.hits,
  }));
  total('log', 'Records, groups and bytes of the log, and syncs of all files', 'what', () => ({
    records: log.records,
    groups: log.syncs,
    bytes: log.bytesWritten,
    fileSyncs: fileSyncs(),
  }));
  total('inbox_dropped', 'Frames dropped because too many waited', 'sender', () => ({
    client: inbox.dropped,
  }));
  total('cpu_seconds', 'CPU time of the process', 'mode', () => {
    const { user, system } = process.cpuUsage();
    return { user: user / 1e6, system: system / 1e6 };
  });
}
