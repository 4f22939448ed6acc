/** A replicated counter: an operation is a u32 to add (4 bytes, big-endian), the result the new count (u53). */

import { decode, encode, u32, u53 } from '../src/codec/index.ts';
import { simpleService } from '../src/services/simple.ts';

export const counter = simpleService<number>({
  initial: 0,
  apply(count, operation) {
    const step = decode(u32, operation);
    const sum = step.ok ? count + step.value : Number.NaN;
    if (!Number.isSafeInteger(sum)) return { state: count, result: new Uint8Array(0) };
    return { state: sum, result: encode(u53, sum) };
  },
  read: (count) => encode(u53, count),
  encode: (count) => encode(u53, count),
  decode: (bytes) => decode(u53, bytes),
});
