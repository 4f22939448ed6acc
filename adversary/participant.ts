/** A client of a demonstration: a real one, whose every operation is written down, so that what it saw can be judged and told. */

import { type Answer, type Client, ClientError } from '../src/client/index.ts';
import { decodeKvResult, encodeKvOperation, type KvResult } from '../src/services/kv/index.ts';
import type { HistoryRecorder } from '../src/simulator/history.ts';
import type { KvInput } from '../src/simulator/workload.ts';
import { toHex } from '../src/types/bytes.ts';

export interface Done {
  readonly who: string;
  readonly text: string;
  readonly result: KvResult;
  readonly answer: Answer;
}

export interface Participant {
  readonly name: string;
  readonly client: Client;
  /** Has it ordered; writes it into each history. @throws ClientError */
  perform(input: KvInput, ...histories: readonly History[]): Promise<Done>;
}

export type History = HistoryRecorder<KvInput, KvResult>;

export function makeParticipant(name: string, client: Client, signal: AbortSignal): Participant {
  return {
    name,
    client,
    async perform(input, ...histories) {
      const numbers = histories.map((history) => history.invoke(name, input));
      try {
        // Reads too: then everything has its place in a batch.
        const answer = await client.submit(encodeKvOperation(input), { signal });
        const result = decoded(answer);
        const place = { history: toHex(answer.head.hashChainDigest), ordered: true };
        for (const [i, history] of histories.entries()) history.complete(numbers[i]!, result, place);
        return { who: name, text: describe(input, result), result, answer };
      } catch (error) {
        if (error instanceof ClientError && error.outcome === 'not-applied') {
          for (const [i, history] of histories.entries()) history.reject(numbers[i]!);
        }
        throw error;
      }
    },
  };
}

function decoded({ result }: Answer): KvResult {
  const value = decodeKvResult(result);
  if (!value.ok) throw new Error('the replicas answered with no result of the key-value service');
  return value.value;
}

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function describe(input: KvInput, result: KvResult): string {
  const key = textOf(input.key);
  switch (input.type) {
    case 'put':
      return `put ${key} = ${textOf(input.value)}`;
    case 'get':
      return `get ${key} → ${result.type === 'value' ? textOf(result.value) : 'nothing'}`;
    default:
      return `${input.type} ${key}`;
  }
}
