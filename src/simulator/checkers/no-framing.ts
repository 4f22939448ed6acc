/** Whatever the faulty do, and however many they are: no correct replica or client ever holds evidence against a correct replica. */

import type { ReplicaIndex } from '../../types/identities.ts';
import type { Endpoint, Observer } from '../observer.ts';
import type { Report } from '../violation.ts';

export function checkNoFraming(
  isCorrect: (replica: ReplicaIndex) => boolean,
  isCorrectClient: (client: Endpoint) => boolean,
  report: Report,
): Observer {
  function judge(holder: string, kind: string, guilty: readonly ReplicaIndex[]): void {
    const framed = guilty.filter(isCorrect);
    if (framed.length === 0) return;
    report(
      'safety',
      'no framing',
      `${holder} holds evidence (${kind}) against the correct replicas ${framed.join(', ')}`,
    );
  }
  return {
    onEvent(replica, event) {
      if (event.type === 'evidence' && isCorrect(replica))
        judge(`replica ${replica}`, event.evidence.type, event.guilty);
    },
    onClientEvent(client, event) {
      if (event.type === 'evidence' && isCorrectClient(client))
        judge(`client ${client}`, event.evidence.type, event.guilty);
    },
  };
}
