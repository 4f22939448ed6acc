/**
 * A service that forgets nothing: it appends each operation to a journal and answers with its place in it. `large N` is answered with N bytes, `time`
 * with the batch's time. Whether an operation was applied, how often and after what, is then a matter of reading.
 */

import { simpleService } from '../../src/services/simple.ts';
import { utf8 } from '../../src/types/bytes.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export const journalService = simpleService<readonly string[]>({
  initial: [],
  apply(journal, operation, { timeMs, resultBytesMax }) {
    const line = text(operation);
    const state = [...journal, line];
    const [verb, count] = line.split(' ');
    if (verb === 'large') {
      return { state, result: new Uint8Array(Math.min(Number(count), resultBytesMax)).fill(state.length) };
    }
    return { state, result: utf8(verb === 'time' ? String(timeMs) : `${state.length}`) };
  },
  read(journal, operation) {
    return utf8(text(operation) === 'count' ? String(journal.length) : journal.join('\n'));
  },
  encode: (journal) => utf8(JSON.stringify(journal)),
  decode(bytes) {
    return { ok: true, value: JSON.parse(text(bytes)) as readonly string[] };
  },
});
