/**
 * Each replica on a machine of its own as far as the network is concerned: a network namespace with one interface. A further namespace is
 * the hub, with two bridges: those that are separated are plugged into the second one. What is cut is lost without a
 * word, as on a real network, where no side is told that a connection is gone.
 *
 * Needs the rights of an administrator; `canDivide` says whether they are there.
 */

import { onCleanUp } from '../cleanup.ts';
import { noteLeftover, run } from '../leftovers.ts';
import type { Divisible } from './network.ts';

const PORT = 7000;
const STATUS_PORT = 7001;

/** Whether this machine lets us make network namespaces and bridges. */
export function canDivide(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const name = `bft2f-probe-${process.pid}`;
  try {
    run(['ip', 'netns', 'add', name]);
  } catch {
    return false;
  }
  try {
    run(['ip', '-n', name, 'link', 'add', 'probe', 'type', 'bridge']);
    run(['ip', '-n', name, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two']);
    return true;
  } catch {
    return false;
  } finally {
    run(['ip', 'netns', 'del', name]);
  }
}

let made = 0;

export function namespaceNetwork(count: number): Divisible {
  const id = `${process.pid}-${made++}`;
  const hub = `bft2f-${id}-hub`;
  // Of 198.18.0.0/15, which no real network uses (RFC 2544).
  const subnet = `198.18.${(process.pid + made) % 256}`;
  const host = (index: number): string => `${subnet}.${10 + index}`;
  const namespace = (index: number): string => `bft2f-${id}-${index}`;
  const indices = Array.from({ length: count }, (_, index) => index);

  addNamespace(hub);
  for (const bridge of ['whole', 'part']) {
    inside(hub, 'link', 'add', bridge, 'type', 'bridge');
    inside(hub, 'link', 'set', bridge, 'up');
  }
  for (const index of indices) {
    addNamespace(namespace(index));
    inside(
      namespace(index),
      'link',
      'add',
      'eth0',
      'type',
      'veth',
      'peer',
      'name',
      port(index),
      'netns',
      hub,
    );
    inside(namespace(index), 'address', 'add', `${host(index)}/24`, 'dev', 'eth0');
    inside(namespace(index), 'link', 'set', 'eth0', 'up');
    plug(port(index), 'whole');
  }
  // The test process itself; its end goes with the hub.
  const own = `b2f${process.pid}-${made}`;
  run(['ip', 'link', 'add', own, 'type', 'veth', 'peer', 'name', 'test', 'netns', hub]);
  run(['ip', 'address', 'add', `${subnet}.1/24`, 'dev', own]);
  run(['ip', 'link', 'set', own, 'up']);
  plug('test', 'whole');

  function port(index: number): string {
    return `replica${index}`;
  }

  function plug(name: string, bridge: 'whole' | 'part'): void {
    inside(hub, 'link', 'set', name, 'master', bridge);
    inside(hub, 'link', 'set', name, 'up');
  }

  const replicas = indices.map((index) => ({ host: host(index), port: PORT }));
  return {
    listen: (index) => replicas[index]!,
    status: (index) => ({ host: host(index), port: STATUS_PORT }),
    peersOf: () => replicas,
    replicas,
    prefix: (index) => ['ip', 'netns', 'exec', namespace(index)],
    separate(separated) {
      for (const index of indices) plug(port(index), separated.includes(index) ? 'part' : 'whole');
    },
    heal() {
      for (const index of indices) plug(port(index), 'whole');
    },
  };
}

function addNamespace(name: string): void {
  const undo = ['ip', 'netns', 'del', name];
  const forget = noteLeftover({ kind: 'command', undo });
  run(['ip', 'netns', 'add', name]);
  onCleanUp(() => {
    run(undo);
    forget();
  });
  inside(name, 'link', 'set', 'lo', 'up');
}

function inside(namespace: string, ...args: readonly string[]): void {
  run(['ip', '-n', namespace, ...args]);
}
