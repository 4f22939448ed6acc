/**
 * Every message that was ever sent, each once. The network of an exploration only grows: what is in it may arrive at any time, again, or never, so
 * delay, disorder, doubling and loss need no choices of their own.
 */

import type { Message } from '../../protocol/messages/index.ts';
import type { Party } from '../../protocol/replica/io.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import { canonical, hashed } from './canonical.ts';

export interface Mail {
  readonly from: Party;
  readonly to: ReplicaIndex;
  readonly message: Message;
}

export type MailNumber = number;

export interface MailTable {
  readonly size: number;
  /** The number of this message on this way; the same for an equal one. */
  number(mail: Mail): MailNumber;
  at(number: MailNumber): Mail;
}

export function makeMailTable(): MailTable {
  const numbers = new Map<string, MailNumber>();
  const mails: Mail[] = [];
  return {
    get size() {
      return mails.length;
    },
    number(mail) {
      const key = hashed(`${canonical(mail.from)}>${mail.to}${canonical(mail.message)}`);
      let number = numbers.get(key);
      if (number === undefined) {
        number = mails.length;
        mails.push(mail);
        numbers.set(key, number);
      }
      return number;
    },
    at: (number) => mails[number]!,
  };
}
