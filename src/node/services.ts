/** The services that a genesis can name without anybody's own code. */

import type { Crypto } from '../crypto/port.ts';
import { kvService } from '../services/kv/index.ts';
import type { ServiceFactory } from '../services/service.ts';
import { NodeError } from './node-error.ts';

const SERVICES: Readonly<Record<string, (hash: Crypto['hash']) => ServiceFactory>> = {
  'kv/1': kvService,
};

/** @throws NodeError CONFIG for a name of nobody's */
export function serviceNamed(name: string, hash: Crypto['hash']): ServiceFactory {
  const make = Object.hasOwn(SERVICES, name) ? SERVICES[name] : undefined;
  if (make !== undefined) return make(hash);
  throw new NodeError(
    'CONFIG',
    `the genesis names the service "${name}", which is none of ${Object.keys(SERVICES).join(', ')}. A service of your own is passed to startNode({service}) by a program of your own.`,
  );
}
