/**
 * Frames over one TLS socket, in both directions: what a link between two parties is made of, before and after they
 * know each other.
 *
 * Reading is fair: a connection delivers a bounded number of frames per turn of the event loop, then waits with its
 * socket paused until every other one had its turn, so a flood fills its sender's buffers and not ours. Writing is
 * bounded by the outbox. No callback runs inside a call of `send`, `pause`, `resume` or `close`.
 */

import type { TLSSocket } from 'node:tls';
import { concatBytes, u32Bytes } from '../types/bytes.ts';
import type { Counters } from './counters.ts';
import { createFrameParser, FRAME_HEADER_BYTES } from './frame-parser.ts';
import type { NetworkLimits } from './limits.ts';
import { NetworkError } from './network-error.ts';
import { createOutbox } from './outbox.ts';

export interface ChannelSettings {
  /** Most payload bytes of a frame that we accept. */
  readonly frameBytesMax: number;
  /** Most payload bytes of a frame that the other side accepts. */
  readonly theirFrameBytesMax: number;
  readonly queueBytesMax: number;
  /** Silence that ends the channel; undefined: no such limit. */
  readonly idleTimeoutMs: number | undefined;
  readonly onFrame: (frame: Uint8Array) => void;
  /** Called once, when the socket is closed. */
  readonly onClose: (reason: NetworkError) => void;
}

export type SendOutcome = 'queued' | 'QUEUE_FULL' | 'FRAME_TOO_LARGE' | 'NOT_CONNECTED';

export interface Channel {
  readonly queuedBytes: number;
  /** The frame must not be changed any more. */
  send(frame: Uint8Array): SendOutcome;
  /** No frame is delivered until `resume`. What the other side sends meanwhile stays in its buffers. */
  pause(): void;
  resume(): void;
  /** Other limits and other listeners, from the next frame on. */
  change(settings: ChannelSettings): void;
  /**
   * Ends the channel; the first reason given counts, and what is queued is dropped. A `farewell` is one last frame,
   * which the other side gets a moment to read.
   */
  close(reason: NetworkError, farewell?: Uint8Array): void;
}

const FAREWELL_TIMEOUT_MS = 1_000;

export function openChannel(
  socket: TLSSocket,
  first: ChannelSettings,
  limits: Pick<NetworkLimits, 'turnFramesMax' | 'turnBytesMax'>,
  counters: Counters,
): Channel {
  let settings = first;
  let reason: NetworkError | undefined;
  let failure: Error | undefined;
  let paused = false;
  /** This turn's budget is spent. */
  let spent = false;
  let turnFrames = 0;
  let turnBytes = 0;
  let nextTurn: NodeJS.Immediate | undefined;
  let bytesHeard = 0;
  let idleTimer: NodeJS.Timeout | undefined;
  let farewellTimer: NodeJS.Timeout | undefined;

  const parser = createFrameParser(first.frameBytesMax);
  const outbox = createOutbox(first.queueBytesMax, (bytes, done) => {
    counters.writes++;
    counters.bytesSent += bytes.length;
    // A write that fails is followed by the socket's close, which clears the outbox.
    if (socket.writable) socket.write(bytes, (error) => error || done());
  });

  function drain(): void {
    while (reason === undefined && !paused && !spent) {
      const frame = parser.next();
      if (frame === 'incomplete') break;
      if (frame === 'too-large') {
        const text = `a frame of more than ${settings.frameBytesMax} bytes`;
        close(new NetworkError('FRAME_TOO_LARGE', text));
        return;
      }
      counters.framesReceived++;
      turnFrames++;
      turnBytes += FRAME_HEADER_BYTES + frame.length;
      spent = turnFrames >= limits.turnFramesMax || turnBytes >= limits.turnBytesMax;
      nextTurn ??= setImmediate(startTurn);
      settings.onFrame(frame);
    }
    if (reason !== undefined) return;
    const stopped = paused || spent;
    if (stopped && !socket.isPaused()) socket.pause();
    if (!stopped && socket.isPaused()) socket.resume();
  }

  function startTurn(): void {
    nextTurn = undefined;
    turnFrames = 0;
    turnBytes = 0;
    spent = false;
    if (reason === undefined) drain();
  }

  function startIdleTimer(): void {
    clearTimeout(idleTimer);
    idleTimer = undefined;
    if (settings.idleTimeoutMs === undefined) return;
    idleTimer = setTimeout(() => {
      // After this process was stopped (SIGSTOP, a laptop's lid) its timers fire before its sockets are read:
      // only what is still silent after one look at the sockets is silent.
      const before = bytesHeard;
      setImmediate(() => {
        if (reason !== undefined) return;
        if (paused || bytesHeard !== before) idleTimer?.refresh();
        else close(new NetworkError('IDLE', `nothing heard for ${settings.idleTimeoutMs} ms`));
      });
    }, settings.idleTimeoutMs);
  }

  function close(why: NetworkError, farewell?: Uint8Array): void {
    if (reason !== undefined) return;
    reason = why;
    clearTimeout(idleTimer);
    if (farewell === undefined || failure !== undefined || socket.destroyed) {
      outbox.clear();
      socket.destroy();
      return;
    }
    outbox.clear();
    socket.end(concatBytes(u32Bytes(farewell.length), farewell));
    // What still comes in is read and forgotten: closing over unread bytes would reset the connection, and the
    // farewell with it.
    socket.resume();
    farewellTimer = setTimeout(() => socket.destroy(), FAREWELL_TIMEOUT_MS);
  }

  socket.on('data', (chunk: Uint8Array) => {
    counters.bytesReceived += chunk.length;
    bytesHeard += chunk.length;
    if (reason !== undefined) return;
    idleTimer?.refresh();
    parser.push(chunk);
    drain();
  });
  socket.on('error', (error: Error) => {
    failure = error;
  });
  socket.once('close', () => {
    reason ??= failure
      ? new NetworkError('SOCKET_FAILED', `the connection broke: ${failure.message}`, failure)
      : new NetworkError('PEER_CLOSED', 'the other side closed the connection');
    clearTimeout(idleTimer);
    clearTimeout(farewellTimer);
    clearImmediate(nextTurn);
    outbox.clear();
    counters.closed[reason.code]++;
    settings.onClose(reason);
  });
  startIdleTimer();

  return {
    get queuedBytes() {
      return outbox.queuedBytes;
    },
    send(frame) {
      if (reason !== undefined || socket.destroyed) return 'NOT_CONNECTED';
      if (frame.length > settings.theirFrameBytesMax) return 'FRAME_TOO_LARGE';
      if (!outbox.push(frame)) return 'QUEUE_FULL';
      counters.framesSent++;
      return 'queued';
    },
    pause() {
      paused = true;
      if (reason === undefined) socket.pause();
    },
    resume() {
      paused = false;
      // Not here: the caller may be in the middle of a step, and delivery would enter it again.
      nextTurn ??= setImmediate(startTurn);
    },
    change(next) {
      settings = next;
      parser.frameBytesMax = next.frameBytesMax;
      outbox.queueBytesMax = next.queueBytesMax;
      startIdleTimer();
    },
    close,
  };
}
