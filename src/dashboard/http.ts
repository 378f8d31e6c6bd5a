/**
 * The dashboard over HTTP, on the port of clients: the files of its page, one JSON document, and actions on moves. Whoever reaches
 * the port may look; whoever acts needs the token, in a header, which no page of another origin can send.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { NurseryError } from '../base/errors.ts';
import { pathOf } from '../metrics/http.ts';
import type { Operations } from '../protocol/arakoon/operations.ts';
import { answeredOf } from './answered.ts';
import { type Asset, loadAssets } from './assets.ts';
import type { Document } from './document.ts';
import { whyForeign } from './guard.ts';

/** Under this path everything lies. */
export const DASHBOARD_PATH = '/dashboard/';
export const TOKEN_HEADER = 'x-nursery-token';
/** What is known is asked for at most so often (ms), however many pages are open. */
const GATHER_EVERY_MS = 1000;
/** Longest body of an action (bytes): two of the longest keys in hexadecimal, and as much again. */
const BODY_MAX = 32 * 1024;
/** How long a body may take (ms), however slowly it comes. */
const BODY_MS = 5000;

/** Styles and programs of the page's own only, no frame around it, and nothing from elsewhere. */
const POLICY = [
  "default-src 'none'",
  ...['script', 'style', 'img', 'connect'].map((kind) => `${kind}-src 'self'`),
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');
const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** What the process knows of all others; what it has answered itself comes with each request. */
export type Gathered = Omit<Document, 'answered' | 'takesActions'>;

/** What the page can have done. */
export type Actions = {
  /** Printable ASCII. */
  readonly token: string;
  /**
   * @param asked JSON of whoever has the token
   * @returns JSON for the page
   * @throws NurseryError BAD_INPUT where it makes no sense; REFUSED, and those of moves
   */
  act(asked: unknown, remote: string): Promise<object>;
};

export type DashboardOptions = {
  /** Names and addresses of this process that browsers may use, beside the address that they reach. */
  readonly hosts: readonly string[];
  /** All that is known, within two seconds, whatever is down. */
  gather(): Promise<Gathered>;
  /** Null: this process takes none. */
  readonly actions: Actions | null;
  /** Hears of an error that is our own. */
  failed(error: Error): void;
};

type Sendable = { readonly body: Buffer; readonly gzipped: Buffer };

/** Serves one process's pages. */
export class Dashboard {
  readonly #options: DashboardOptions;
  #assets: Promise<ReadonlyMap<string, Asset>> | null = null;
  #document: Promise<Sendable> | null = null;
  #gatheredMs = Number.NEGATIVE_INFINITY;

  constructor(options: DashboardOptions) {
    this.#options = options;
  }

  /** Answers one request where it is for the dashboard; else false. @param operations what the process has answered itself */
  answer(request: IncomingMessage, response: ServerResponse, operations: Operations): boolean {
    const path = pathOf(request.url);
    const isBare = path === '/' || `${path}/` === DASHBOARD_PATH;
    if (!isBare && !path.startsWith(DASHBOARD_PATH)) return false;
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const { host, origin } = request.headers;
    const why = whyForeign({ host, origin, localAddress: request.socket.localAddress }, this.#options.hosts);
    if (why !== null) refuse(response, 403, why);
    else if (isBare) response.writeHead(307, { location: DASHBOARD_PATH }).end();
    else {
      this.#serve(request, response, path.slice(DASHBOARD_PATH.length), operations).catch((error: Error) => {
        this.#options.failed(error);
        if (response.headersSent) response.destroy();
        else refuse(response, 500, 'the dashboard could not be served; the log says why');
      });
    }
    return true;
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    operations: Operations,
  ): Promise<void> {
    const wanted = name === 'moves' ? ['POST'] : ['GET', 'HEAD'];
    if (!wanted.includes(request.method ?? '')) {
      response.setHeader('allow', wanted.join(', '));
      refuse(response, 405, `only ${wanted.join(' and ')}`);
    } else if (name === 'moves') await this.#act(request, response);
    else if (name === 'document') {
      const type = 'application/json';
      send(request, response, { type, ...(await this.#gathered(operations)), caching: 'no-store' });
    } else await this.#sendAsset(request, response, name);
  }

  async #sendAsset(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    this.#assets ??= loadAssets();
    this.#assets.catch(() => (this.#assets = null)); // it may be built meanwhile
    const asset = (await this.#assets).get(name);
    if (asset === undefined) {
      refuse(response, 404, 'not found');
      return;
    }
    response.setHeader('etag', asset.tag);
    if (request.headers['if-none-match'] === asset.tag) response.writeHead(304).end();
    else send(request, response, { ...asset, caching: 'no-cache' });
  }

  /** Of all who ask within a second one lets it be gathered; the others get the same. */
  #gathered(operations: Operations): Promise<Sendable> {
    const nowMs = performance.now();
    if (this.#document === null || nowMs - this.#gatheredMs >= GATHER_EVERY_MS) {
      this.#gatheredMs = Number.POSITIVE_INFINITY; // not anew while it is under way
      const document = this.#gather(operations);
      this.#document = document;
      const ended = (): void => {
        this.#gatheredMs = performance.now();
      };
      document.then(ended, ended);
    }
    return this.#document;
  }

  async #gather(operations: Operations): Promise<Sendable> {
    const { gather, actions } = this.#options;
    const gathered = await gather();
    const answered = answeredOf(operations, performance.now());
    const document: Document = { ...gathered, takesActions: actions !== null, answered };
    const body = Buffer.from(JSON.stringify(document));
    return { body, gzipped: await promisify(gzip)(body) };
  }

  async #act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { actions } = this.#options;
    if (actions === null) {
      refuse(response, 403, 'a node takes no actions: ask a router');
      return;
    }
    const token = request.headers[TOKEN_HEADER];
    if (typeof token !== 'string' || !isSame(token, actions.token)) {
      refuse(
        response,
        401,
        'this is not the token that the router has printed at its start, or that its file has',
      );
      return;
    }
    try {
      const asked = jsonOf(await bodyOf(request));
      answerJson(response, 200, await actions.act(asked, request.socket.remoteAddress ?? ''));
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      const { code, message } = error;
      response.setHeader('connection', 'close'); // the rest of a body may still be on its way
      const status = code === 'BAD_INPUT' ? 400 : code === 'REFUSED' ? 409 : 503;
      answerJson(response, status, { error: { code, message } });
    }
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { type, body, gzipped, caching }: Sendable & { readonly type: string; readonly caching: string },
): void {
  const takesGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const bytes = takesGzip ? gzipped : body;
  response.writeHead(200, {
    'content-type': type,
    'content-length': bytes.length,
    'cache-control': caching,
    vary: 'accept-encoding',
    ...(takesGzip ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function answerJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(value)}\n`);
}

/** What was sent along is not read: the connection ends. */
function refuse(response: ServerResponse, status: number, message: string): void {
  response.setHeader('connection', 'close');
  answerJson(response, status, { error: { code: 'REFUSED', message } });
}

/** Whether they are the same, in a time that does not tell where they differ. */
function isSame(one: string, other: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}

/** @throws NurseryError BAD_INPUT where it is too long, takes too long, or ends too early */
function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const fail = (what: string): void => {
      clearTimeout(timer);
      request.removeAllListeners('data').resume();
      reject(new NurseryError('BAD_INPUT', what));
    };
    const timer = setTimeout(() => fail(`the body did not come within ${BODY_MS} ms`), BODY_MS);
    request.on('data', (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length > BODY_MAX) fail(`the body is longer than ${BODY_MAX} bytes`);
    });
    request.once('end', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(pieces));
    });
    request.once('close', () => fail('the body ended too early'));
  });
}

/** @throws NurseryError BAD_INPUT */
function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new NurseryError('BAD_INPUT', `the body is no JSON: ${(error as Error).message}`, { cause: error });
  }
}
