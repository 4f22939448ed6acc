/**
 * What happened, in two forms: a digest of everything, equal exactly when two runs were the same, and lines for people, of which the last
 * ones are kept.
 */

import { describeEvent, describeMessage, nameOf } from './describe.ts';
import type { Kernel } from './kernel.ts';
import type { Endpoint, Observer } from './observer.ts';

/** 64 bits that depend on every event, its time and the bytes of every message delivered. */
export interface EventDigest extends Observer {
  /** 16 hexadecimal digits. */
  digest(): string;
}

export function digestEvents(kernel: Kernel): EventDigest {
  let high = 0x243f6a88;
  let low = 0x13198a2e;
  const mix = (word: number) => {
    high = Math.imul(high ^ word, 0x85ebca6b);
    high ^= high >>> 15;
    low = Math.imul((low ^ word) + high, 0xc2b2ae35);
    low ^= low >>> 13;
  };
  const now = (kind: number) => {
    mix(kind);
    mix(kernel.nowUs >>> 0);
  };
  const mixText = (text: string) => {
    for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i));
  };
  const mixBytes = (bytes: Uint8Array) => {
    mix(bytes.length);
    const whole = bytes.length & ~3;
    for (let i = 0; i < whole; i += 4) {
      mix((bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!);
    }
    for (let i = whole; i < bytes.length; i++) mix(bytes[i]!);
  };
  return {
    onDeliver(from, to, _message, bytes) {
      now(1);
      mix((from << 16) | to);
      mixBytes(bytes);
    },
    onLost(from, to) {
      now(2);
      mix((from << 16) | to);
    },
    onDurable(replica, record) {
      now(3);
      mix(replica);
      mixText(record.type);
    },
    onEvent(replica, event) {
      now(4);
      mix(replica);
      mixText(event.type);
    },
    onFault(text) {
      now(5);
      mixText(text);
    },
    onOutcome(client, token, outcome) {
      now(6);
      mix(client);
      mix(token);
      mixText(outcome.type);
    },
    digest: () => [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}

export interface Trace extends Observer {
  /** Oldest first. */
  lines(): readonly string[];
}

/** Keeps the last `linesMax` events; they become text only when asked for, so that keeping them is cheap. */
export function keepTrace(kernel: Kernel, replicaCount: number, linesMax: number): Trace {
  const kept: { readonly atUs: number; readonly describe: () => string }[] = [];
  let next = 0;
  const add = (describe: () => string) => {
    kept[next % linesMax] = { atUs: kernel.nowUs, describe };
    next++;
  };
  const name = (endpoint: Endpoint) => nameOf(endpoint, replicaCount);
  return {
    onDeliver: (from, to, message) => add(() => `${name(from)} -> ${name(to)}  ${describeMessage(message)}`),
    onLost: (from, to, message, why) =>
      add(() => `${name(from)} -x ${name(to)}  ${describeMessage(message)} [${why}]`),
    onEvent: (replica, event) => add(() => `${replica}: ${describeEvent(event)}`),
    onFault: (text) => add(() => `* ${text}`),
    onSubmit: (client, token, _operation, read) =>
      add(() => `${name(client)}: ${read ? 'reads' : 'submits'} ${token}`),
    onOutcome: (client, token, outcome) => add(() => `${name(client)}: outcome of ${token}: ${outcome.type}`),
    lines() {
      const first = Math.max(0, next - linesMax);
      return Array.from({ length: next - first }, (_, i) => {
        const { atUs, describe } = kept[(first + i) % linesMax]!;
        return `${(atUs / 1000).toFixed(3).padStart(11)}  ${describe()}`;
      });
    },
  };
}
