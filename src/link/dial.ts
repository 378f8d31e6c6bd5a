/** Opens links to other processes. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { NurseryError } from '../base/errors.ts';
import { dialableHost, printAddress } from '../identity/address.ts';
import { decode, encode } from '../wire/codec.ts';
import {
  CLOSE,
  closeReason,
  Gather,
  HEADER_BYTES,
  type Hello,
  helloCodec,
  LINK_PATH,
  NAME_HEADER,
  PAYLOAD_MAX,
  ROLE_HEADER,
  refusal,
  refusalError,
  STATUS_FULL,
  TYPE,
} from './frames.ts';
import { Link, type LinkHandlers } from './link.ts';

/** Of the name that a link is given. */
const NAME_BYTES = 4;
/** It stands in logs: another end says nothing else there. */
const NAME = /^[0-9a-f]{8}$/;

/** Whom to call, as whom, and what to do with what comes. A host name is resolved at each call. */
export type DialOptions = {
  readonly host: string;
  readonly port: number;
  readonly hello: Hello;
  readonly handlers: LinkHandlers;
  /** For connecting and the exchange of hellos together (ms). */
  readonly timeoutMs: number;
  /** The other end has taken the connection; its hello is still to come. */
  readonly onConnected?: () => void;
  /** Ends the attempt at once. A link that is there already stays. */
  readonly signal?: AbortSignal;
};

/** Why an attempt to open a link failed: the other end took the connection, and has said nothing. Its process is there. */
export class Speechless extends Error {
  override readonly name = 'Speechless';
}

/**
 * Opens a link.
 *
 * @throws NurseryError UNREACHABLE, because of `Speechless` where it was connected; where nobody answers in time, or the address is none; TOO_MANY_CONNECTIONS where it has no
 *   seat for us; WRONG_CLUSTER, NOT_SUPPORTED (protocol version), REFUSED, GOING_DOWN where the other end turns us away, with
 *   its reason
 */
export function dial(options: DialOptions): Promise<Link> {
  const { port, hello, handlers } = options;
  return new Promise((resolve, reject) => {
    const host = dialableHost(options.host, port);
    const address = printAddress(host, port);
    const name = randomBytes(NAME_BYTES).toString('hex');
    let isConnected = false;
    // The address goes past the URL, whose rules are others: it has no zones, and takes "1.2" for an IPv4 address.
    const socket = new WebSocket(`ws://link${LINK_PATH}`, {
      createConnection: () =>
        connect({ host, port, noDelay: true }, () => {
          isConnected = true;
          options.onConnected?.();
        }),
      headers: {
        host: printAddress(host.replace(/%.*/, ''), port),
        [ROLE_HEADER]: hello.role,
        [NAME_HEADER]: name,
      },
      perMessageDeflate: false,
      maxPayload: PAYLOAD_MAX,
      // Masking protects proxies from scripts in browsers, and costs more than sending. ws takes a mask of zeros as none.
      generateMask: (mask) => mask.fill(0),
    });
    let why = 'closed before the hello';
    let isLate = false;
    let cause: unknown;
    const giveUp = (because: string): void => {
      isLate = true;
      why = because;
      socket.terminate();
    };
    const timer = setTimeout(() => {
      const said = `it has said nothing for ${options.timeoutMs} ms`;
      if (isConnected) cause = new Speechless(said);
      giveUp(
        isConnected
          ? `${said}: stopped, too busy, or another kind of server`
          : `no connection within ${options.timeoutMs} ms: its machine is off, or cannot be reached`,
      );
    }, options.timeoutMs);
    const abandoned = (): void => giveUp('nobody wants to know any more');
    options.signal?.addEventListener('abort', abandoned);
    const ended = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abandoned);
    };
    let isFull = false;
    const failed = (code: number, reason: Buffer): void => {
      ended();
      const said = reason.toString('utf8');
      const error = refusalError(code, said === '' ? why : said);
      const kind = isFull ? 'TOO_MANY_CONNECTIONS' : error.code;
      reject(new NurseryError(kind, `${address}: ${error.message}`, { cause }));
    };
    socket.on('error', (error: Error) => {
      // Its close follows. Of what we have ended ourselves we know better why.
      if (!isFull && !isLate) why = error.message;
      cause ??= error;
    });
    socket.on('unexpected-response', (_request, response) => {
      isFull = response.statusCode === STATUS_FULL;
      why = isFull
        ? 'too many connections, or it is stopping'
        : `unexpected response ${response.statusCode} to the request for a link`;
      socket.terminate();
    });
    const closed = (code: number, reason: Buffer): void => {
      handlers.turnedAway?.(code, reason.toString('utf8'));
      failed(code, reason);
    };
    socket.once('close', closed);
    socket.once('open', () => socket.send(encodeHello(hello)));
    socket.once('message', (data: Buffer) => {
      const peer = decodeHello(data);
      const refused =
        peer === null
          ? { close: CLOSE.broken, why: 'not a hello' }
          : (refusal(hello, peer) ?? refusedBy(handlers, peer));
      if (peer !== null) handlers.met?.(peer);
      if (peer === null || refused !== null) {
        socket.off('close', closed);
        socket.close(refused?.close, closeReason(refused?.why ?? ''));
        failed(refused?.close ?? CLOSE.broken, Buffer.from(refused?.why ?? ''));
        return;
      }
      ended();
      socket.off('close', closed);
      resolve(new Link(socket, { peer, remote: address, name }, handlers));
    });
  });
}

/** The name that a request for a link gives it; '' where that is none. */
export function linkName(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' && NAME.test(header) ? header : '';
}

/** Why the handlers turn a peer away although protocol, cluster and founding fit; or null. */
export function refusedBy(
  handlers: LinkHandlers,
  peer: Hello,
): { readonly close: number; readonly why: string } | null {
  const refused = handlers.refuse?.(peer) ?? null;
  return typeof refused === 'string' ? { close: CLOSE.refused, why: refused } : refused;
}

/** A WebSocket message that holds the hello alone. */
export function encodeHello(hello: Hello): Buffer {
  const gather = new Gather();
  gather.put(TYPE.hello, 0, encode(helloCodec, hello), null);
  return gather.take();
}

/** Longest hello (bytes): what is in it stands in logs, and names are short. */
const HELLO_MAX_BYTES = 4096;

/** The hello in the first WebSocket message; null where it holds something else. */
export function decodeHello(data: Buffer): Hello | null {
  if (
    data.length < HEADER_BYTES ||
    data.length > HELLO_MAX_BYTES ||
    data[0] !== TYPE.hello ||
    data.readUInt32LE(5) !== data.length - HEADER_BYTES
  )
    return null;
  try {
    return decode(helloCodec, data.subarray(HEADER_BYTES));
  } catch (error) {
    if (error instanceof NurseryError) return null;
    throw error;
  }
}
