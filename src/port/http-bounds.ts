/** What keeps HTTP clients within bounds: they cost little before they are turned away, and what they do not read is counted. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { present } from '../base/assert.ts';
import type { Budget } from '../process/budget.ts';

/** So much is parsed before a connection can be ended for it (bytes): most requests come in one piece. */
const PIECE_BYTES = 1024;

/**
 * Hands what comes to Node's HTTP server in small pieces, from when it has taken the socket. It parses all that it is given, whatever
 * becomes of the connection meanwhile: a chunk of 64 KiB has room for 2,400 requests, which took 40 ms of the event loop.
 *
 * Ends with an upgrade, at which whoever listens for data is to be removed; a client that has sent more than the request does not
 * wait for the answer, and is closed.
 */
export function feedInPieces(socket: Socket): void {
  const parse = present(socket.listeners('data')[0], 'the HTTP server listens') as (piece: Buffer) => void;
  const feed = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length && !socket.destroyed; at += PIECE_BYTES) {
      if (!socket.listeners('data').includes(feed)) socket.destroy();
      else parse(chunk.subarray(at, at + PIECE_BYTES));
    }
  };
  socket.removeListener('data', parse);
  socket.on('data', feed);
}

/**
 * Counts what a client has not taken of an answer, from when it is made until it is taken or the connection is closed.
 *
 * @param replies where unread replies are counted: who takes nothing while others wait for the memory is let go
 * @param unreadMs how long a client may take nothing of it, whether or not others wait; then it is closed
 */
export function countUnread(response: ServerResponse, replies: Budget, unreadMs: number): void {
  response.once('prefinish', () => {
    const { socket } = response;
    if (socket === null || socket.writableLength === 0) return;
    const account = replies.open({ isAwaited: () => true, letGo: () => void socket.destroy() });
    account.set(socket.writableLength);
    // Its time begins anew with each byte that the client takes; Node sets another one for the next request.
    socket.setTimeout(unreadMs);
    response.once('close', () => account.close());
  });
}
