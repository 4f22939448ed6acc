/** Prometheus metrics of a witness. */

import { Counter, Gauge, Registry } from 'prom-client';
import { utf8 } from '../types/bytes.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import type { Answer } from './api.ts';
import type { AskOutcome } from './replicas.ts';

export interface WitnessMetrics {
  noteRequest(path: string, status: number): void;
  noteAsked(replica: ReplicaIndex, outcome: AskOutcome): void;
  noteWebhook(outcome: 'delivered' | 'failed' | 'given-up'): void;
  page(): Promise<Answer>;
}

export interface WitnessMetricsSources {
  /** The size of the latest head; 0: none yet. */
  readonly size: () => number;
  readonly isForked: () => boolean;
  /** Pieces of evidence held. */
  readonly evidence: () => number;
  readonly connected: () => readonly boolean[];
}

export function createWitnessMetrics(sources: WitnessMetricsSources): WitnessMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'bft2f_witness_requests_total',
    help: 'Requests answered, by path and status',
    labelNames: ['path', 'status'],
    registers,
  });
  const asked = new Counter({
    name: 'bft2f_witness_asked_total',
    help: 'Questions to replicas, by what came of them',
    labelNames: ['replica', 'outcome'],
    registers,
  });
  const webhooks = new Counter({
    name: 'bft2f_witness_webhooks_total',
    help: 'Attempts to call the webhook',
    labelNames: ['outcome'],
    registers,
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `bft2f_witness_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge('size', 'Batches of the latest head', sources.size);
  gauge('forked', '1 once a fork is proved; nothing is cosigned any more', () =>
    sources.isForked() ? 1 : 0,
  );
  gauge('evidence', 'Pieces of evidence held', sources.evidence);
  new Gauge({
    name: 'bft2f_witness_replica_connected',
    help: '1 while there is a link to the replica',
    labelNames: ['replica'],
    registers,
    collect() {
      for (const [replica, isUp] of sources.connected().entries()) this.set({ replica }, isUp ? 1 : 0);
    },
  });
  return {
    noteRequest: (path, status) => requests.inc({ path, status }),
    noteAsked: (replica, outcome) => asked.inc({ replica, outcome }),
    noteWebhook: (outcome) => webhooks.inc({ outcome }),
    page: async () => ({ status: 200, type: registry.contentType, body: utf8(await registry.metrics()) }),
  };
}
