/**
 * From a TLS connection to a link with a known party. The dialler speaks first: it has already checked the
 * listener's key against the one it expects; the listener answers with its own HELLO once it accepts the
 * dialler's, or with REFUSED. So a dialler that hears HELLO is accepted, and one that is not learns why.
 */

import type { TLSSocket } from 'node:tls';
import { equalBytes } from '../types/bytes.ts';
import type { PublicKey } from '../types/identities.ts';
import { type Channel, type ChannelSettings, openChannel } from './channel.ts';
import type { Counters } from './counters.ts';
import {
  brief,
  checkGreeting,
  describeParty,
  EXPORTER_BYTES,
  EXPORTER_LABEL,
  GREETING_BYTES_MAX,
  type Hello,
  helloFrame,
  type LocalParty,
  type Party,
  refusalFrame,
} from './hello.ts';
import { provenKeyOf } from './identity.ts';
import type { NetworkLimits } from './limits.ts';
import { NetworkError } from './network-error.ts';

/** What every connection of one transport shares. */
export interface Surroundings {
  readonly local: LocalParty;
  readonly limits: NetworkLimits;
  readonly counters: Counters;
}

export interface Listeners extends Pick<ChannelSettings, 'onFrame' | 'onClose'> {
  /** Called once, before any frame: from here on frames can be sent. */
  readonly onOpen: () => void;
}

export interface HandshakeEvents {
  /** The link stands; gives the listeners for it. */
  readonly onEstablished: (channel: Channel, hello: Hello) => Listeners;
  /** It ended before it stood. */
  readonly onFailed: (reason: NetworkError) => void;
}

/** Greets the replica `expected`, over a socket that this side opened and TLS secured. */
export function greetReplica(
  socket: TLSSocket,
  { local, limits, counters }: Surroundings,
  expected: { readonly index: number; readonly publicKey: PublicKey },
  events: HandshakeEvents,
): Channel {
  const frameBytesMax = limits.frameBytesMax;
  const channel = openChannel(socket, greetingSettings(onFrame, events.onFailed), limits, counters);
  const provenKey = provenKeyOf(socket);
  const exporter = exporterOf(socket);
  const keyError =
    rejectCertificate(provenKey) ?? rejectKey(provenKey!, expected.publicKey, `replica ${expected.index}`);
  if (keyError !== undefined) channel.close(keyError, refusalFrame(keyError));
  else channel.send(helloFrame(local, exporter, frameBytesMax));

  function onFrame(frame: Uint8Array): void {
    const hello = checkGreeting(frame, local, provenKey!, exporter);
    if (!hello.ok) {
      channel.close(hello.error);
      return;
    }
    const { party } = hello.value;
    if (party.role !== 'replica' || party.index !== expected.index) {
      const text = `expected replica ${expected.index}, found ${describeParty(party)}`;
      channel.close(new NetworkError('WRONG_INDEX', text));
      return;
    }
    establish(channel, hello.value, local.party.role, frameBytesMax, limits, events);
  }
  return channel;
}

/** Awaits the HELLO of whoever connected. `reject` decides, by role and key, whether that party may. */
export function awaitGreeting(
  socket: TLSSocket,
  { local, limits, counters }: Surroundings,
  reject: (hello: Hello) => NetworkError | undefined,
  events: HandshakeEvents,
): Channel {
  const channel = openChannel(socket, greetingSettings(onFrame, events.onFailed), limits, counters);
  const provenKey = provenKeyOf(socket);
  const exporter = exporterOf(socket);
  const keyError = rejectCertificate(provenKey);
  if (keyError !== undefined) refuse(keyError);

  function onFrame(frame: Uint8Array): void {
    const hello = checkGreeting(frame, local, provenKey!, exporter);
    const error = hello.ok ? reject(hello.value) : hello.error;
    if (error !== undefined) refuse(error);
    else if (hello.ok) accept(hello.value);
  }

  function accept(hello: Hello): void {
    const { role } = hello.party;
    const frameBytesMax = role === 'replica' ? limits.frameBytesMax : limits.clientFrameBytesMax;
    channel.send(helloFrame(local, exporter, frameBytesMax));
    establish(channel, hello, role, frameBytesMax, limits, events);
  }

  function refuse(error: NetworkError): void {
    channel.close(error, refusalFrame(error));
  }
  return channel;
}

/** `kind`: 'client' if either side is one. */
function establish(
  channel: Channel,
  hello: Hello,
  kind: Party['role'],
  frameBytesMax: number,
  limits: NetworkLimits,
  events: HandshakeEvents,
): void {
  const toClient = hello.party.role === 'client';
  const { onOpen, ...listeners } = events.onEstablished(channel, hello);
  channel.change({
    frameBytesMax,
    theirFrameBytesMax: hello.frameBytesMax,
    queueBytesMax: toClient ? limits.clientQueueBytesMax : limits.peerQueueBytesMax,
    idleTimeoutMs: kind === 'client' ? limits.clientIdleTimeoutMs : limits.idleTimeoutMs,
    ...listeners,
  });
  onOpen();
}

/** The time for the handshake is limited by whoever made the socket: it includes TLS. */
function greetingSettings(
  onFrame: ChannelSettings['onFrame'],
  onClose: ChannelSettings['onClose'],
): ChannelSettings {
  return {
    frameBytesMax: GREETING_BYTES_MAX,
    theirFrameBytesMax: GREETING_BYTES_MAX,
    queueBytesMax: 4 * GREETING_BYTES_MAX,
    idleTimeoutMs: undefined,
    onFrame,
    onClose,
  };
}

function exporterOf(socket: TLSSocket): Uint8Array {
  return socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
}

function rejectCertificate(provenKey: PublicKey | undefined): NetworkError | undefined {
  if (provenKey !== undefined) return undefined;
  return new NetworkError('CERTIFICATE', 'no certificate with an Ed25519 key');
}

function rejectKey(provenKey: PublicKey, expected: PublicKey, whose: string): NetworkError | undefined {
  if (equalBytes(provenKey, expected)) return undefined;
  const text = `wrong key: ${whose} has ${brief(expected)} in the genesis, this is ${brief(provenKey)}`;
  return new NetworkError('WRONG_KEY', text);
}
