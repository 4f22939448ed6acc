/**
 * Executed exactly once, nothing acknowledged lost. All correct replicas give their services the same operations with the same results at the same s,
 * each time they execute it; every result that a client accepted is that of one execution, at the s it was told; and nothing else is
 * executed but what a client submitted and was not told the outcome of.
 */

import { equalBytes, keyOf } from '../../types/bytes.ts';
import type { ReplicaIndex, SequenceNumber } from '../../types/identities.ts';
import type { Endpoint, Execution, Observer, Outcome } from '../observer.ts';
import type { Report } from '../violation.ts';

interface Submission {
  readonly operation: Uint8Array;
  outcome: Outcome | undefined;
}

export interface Executions extends Observer {
  /** Judges what clients were told against what was executed. Call it once, at the end. */
  finish(): void;
}

/** `clientKeyOf`: the public key of a correct client's endpoint; what the others ask for and are told is their own affair. */
export function checkExecutions(
  isCorrect: (replica: ReplicaIndex) => boolean,
  clientKeyOf: (client: Endpoint) => Uint8Array | undefined,
  isCorrectKey: (key: Uint8Array) => boolean,
  report: Report,
): Executions {
  /** What the first replica to get there executed at each s. */
  const canonical = new Map<SequenceNumber, Execution[]>();
  /** Where each instance of a service stands. */
  const places = new Map<number, { sequenceNumber: SequenceNumber; count: number }>();
  const submissions = new Map<Endpoint, Submission[]>();
  /** The s whose canonical list is complete: somebody has gone beyond it. */
  const complete = new Set<SequenceNumber>();

  function leave(replica: ReplicaIndex, sequenceNumber: SequenceNumber, count: number): void {
    const expected = canonical.get(sequenceNumber)?.length ?? 0;
    if (complete.has(sequenceNumber) && count !== expected) {
      report(
        'safety',
        'executions agree',
        `replica ${replica} executed ${count} operations at s${sequenceNumber}, others ${expected}`,
      );
    }
    complete.add(sequenceNumber);
  }

  function onExecution(replica: ReplicaIndex, execution: Execution): void {
    if (!isCorrect(replica)) return;
    const { instance, sequenceNumber } = execution;
    let place = places.get(instance);
    if (place === undefined || place.sequenceNumber !== sequenceNumber) {
      if (place !== undefined) leave(replica, place.sequenceNumber, place.count);
      place = { sequenceNumber, count: 0 };
      places.set(instance, place);
    }
    let batch = canonical.get(sequenceNumber);
    if (batch === undefined) {
      batch = [];
      canonical.set(sequenceNumber, batch);
    }
    const first = batch[place.count++];
    if (first === undefined && !complete.has(sequenceNumber)) batch.push(execution);
    else if (first === undefined || !sameExecution(first, execution)) {
      report(
        'safety',
        'executions agree',
        `replica ${replica} executed something else at s${sequenceNumber} than others did before`,
      );
    }
  }

  function finish(): void {
    const unclaimed = new Map<string, Execution[]>();
    for (const batch of canonical.values()) {
      for (const execution of batch) {
        const key = keyOf(execution.client) + keyOf(execution.operation);
        const same = unclaimed.get(key);
        if (same === undefined) unclaimed.set(key, [execution]);
        else same.push(execution);
      }
    }
    for (const [client, submitted] of submissions) {
      const publicKey = clientKeyOf(client);
      if (publicKey === undefined) continue;
      const name = keyOf(publicKey);
      submitted.forEach((submission, token) => {
        if (submission.outcome?.type === 'accepted') claim(client, token, name, submission, unclaimed);
      });
      for (const { operation, outcome } of submitted) {
        // These may or may not have been executed; once at most.
        if (outcome === undefined || outcome.type === 'unknown')
          unclaimed.get(name + keyOf(operation))?.shift();
      }
    }
    for (const executions of unclaimed.values()) {
      for (const { sequenceNumber, client } of executions) {
        if (!isCorrectKey(client)) continue;
        report(
          'safety',
          'exactly once',
          `an operation executed at s${sequenceNumber} was not submitted, was refused, or was executed before`,
        );
      }
    }
  }

  function claim(
    client: Endpoint,
    token: number,
    name: string,
    { operation, outcome }: Submission,
    unclaimed: Map<string, Execution[]>,
  ): void {
    if (outcome?.type !== 'accepted') return;
    const executions = unclaimed.get(name + keyOf(operation)) ?? [];
    const index = executions.findIndex(
      (execution) =>
        execution.sequenceNumber === outcome.sequenceNumber && equalBytes(execution.result, outcome.result),
    );
    if (index >= 0) executions.splice(index, 1);
    else {
      report(
        'safety',
        'acknowledged is executed',
        `client ${client} accepted a result of operation ${token} at s${outcome.sequenceNumber} that no correct replica computed there`,
      );
    }
  }

  return {
    onExecution,
    onSubmit(client, token, operation) {
      const submitted = submissions.get(client) ?? [];
      submissions.set(client, submitted);
      submitted[token] = { operation, outcome: undefined };
    },
    onOutcome(client, token, outcome) {
      const submission = submissions.get(client)?.[token];
      if (submission !== undefined) submission.outcome = outcome;
      if (outcome.type === 'unknown' && outcome.reason === 'FORKED' && clientKeyOf(client) !== undefined) {
        report('safety', 'agreement', `client ${client} was told that its history forked`);
      }
    },
    finish,
  };
}

function sameExecution(a: Execution, b: Execution): boolean {
  return (
    equalBytes(a.client, b.client) && equalBytes(a.operation, b.operation) && equalBytes(a.result, b.result)
  );
}
