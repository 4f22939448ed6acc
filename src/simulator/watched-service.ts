/** A service that tells an observer of each operation it applies; otherwise the one it wraps. */

import type { ServiceFactory } from '../services/service.ts';
import type { Execution } from './observer.ts';

/** `instances` hands out numbers that no two instances share. */
export function watchedService(
  factory: ServiceFactory,
  instances: () => number,
  onExecution: (execution: Execution) => void,
): ServiceFactory {
  return () => {
    const service = factory();
    const instance = instances();
    return {
      apply(operation, context) {
        const result = service.apply(operation, context);
        const { sequenceNumber, client } = context;
        onExecution({ instance, sequenceNumber, client, operation, result });
        return result;
      },
      snapshot: () => service.snapshot(),
      restore: (chunks) => service.restore(chunks),
    };
  };
}
