/**
 * A run as data: JSON Lines, one object a line, in the order in which things happened. Pictures are drawn from it, and whoever reads it needs
 * nothing else. docs/simulator.md describes each field. The same run is the same bytes.
 */

import { describeEvent, describeMessage, short } from './describe.ts';
import type { Observer } from './observer.ts';
import { formatScenario, type Scenario } from './scenario.ts';
import { TRACE_VERSION, type TraceLine } from './trace-format.ts';

export interface JsonTrace extends Observer {
  /** The last line: how the run ended. */
  end(digest: string, ok: boolean): void;
}

/** `write` gets one line after the other, as it happens. */
export function writeTrace(write: (line: TraceLine) => void, scenario: Scenario): JsonTrace {
  let nowUs = () => 0;
  const add = (line: Record<string, unknown> & { readonly type: string }) => {
    write({ at: nowUs(), ...line } as unknown as TraceLine);
  };
  return {
    onBegin({ kernel, context, replicas, clients }) {
      nowUs = () => kernel.nowUs;
      const { genesis } = context.cluster;
      add({
        type: 'header',
        format: 'bft2f-trace',
        version: TRACE_VERSION,
        replicas,
        clients,
        quorum: genesis.quorumSize,
        limits: genesis.limits,
        scenario: formatScenario(scenario),
      });
    },
    onSend(from, to, message, id) {
      const { type: kind, ...fields } = flat(message);
      const text = describeMessage(message);
      to.forEach((endpoint, i) => {
        add({ type: 'sent', ...fields, id: id + i, from, to: endpoint, kind, text });
      });
    },
    onDeliver: (from, to, _message, _bytes, id) => add({ type: 'delivered', id, from, to }),
    onLost: (from, to, _message, why, id) => add({ type: 'lost', id, from, to, why }),
    onWake: (endpoint) => add({ type: 'timer', endpoint }),
    onDurable(replica, record) {
      const { type: what, ...fields } = flat(record);
      add({ type: 'durable', ...fields, replica, record: what });
    },
    onSnapshotDurable: (replica, { sequenceNumber }) =>
      add({ type: 'durable', replica, record: 'snapshot', sequenceNumber }),
    onEvent(replica, event) {
      const { type: what, ...fields } = flat(event);
      add({ type: 'state', ...fields, replica, event: what, text: describeEvent(event) });
    },
    onFault(text, { type: fault, ...fields }) {
      // Violations have lines of their own.
      if (!text.startsWith('VIOLATION')) add({ type: 'fault', fault, ...fields, text });
    },
    onSubmit: (client, token, operation, read) =>
      add({ type: 'submitted', endpoint: client, token, read, bytes: operation.length }),
    onOutcome(client, token, outcome) {
      const { type: what, ...fields } = flat(outcome);
      delete fields.result;
      add({ type: 'outcome', endpoint: client, token, outcome: what, ...fields });
    },
    onViolation: ({ kind, property, text }) => add({ type: 'violation', kind, property, text }),
    end: (digest, ok) => add({ type: 'end', digest, ok }),
  };
}

/** What tells the essential of a message, record or event by standing inside it. */
const INNER = ['header', 'entry', 'viewChange', 'newView', 'request', 'vote', 'certificate', 'checkpoint'];

/** Numbers, words and digests, those of the essential part beside those of the whole; digests as their first six digits. */
function flat(record: object): Record<string, unknown> & { type: string } {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(record) as [string, unknown][]) {
    if (key === 'signature') continue;
    if (value instanceof Uint8Array) fields[key] = short(value);
    else if (['number', 'string', 'boolean'].includes(typeof value)) fields[key] = value;
    else if (Array.isArray(value) && value.every((item) => typeof item === 'number')) fields[key] = value;
  }
  for (const key of INNER) {
    const inner = (record as Record<string, unknown>)[key];
    if (typeof inner !== 'object' || inner === null || inner instanceof Uint8Array) continue;
    Object.assign(fields, flat(inner));
  }
  return { ...fields, type: (record as { readonly type?: string }).type ?? '' } as Record<string, unknown> & {
    type: string;
  };
}
