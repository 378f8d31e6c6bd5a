/** What supervisors and Prometheus ask over HTTP, on the port of clients: `/healthz`, `/readyz`, `/metrics`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { exposition, type Family } from './families.ts';

export type Asked = {
  /** Why not all is served that should be; null where it is. */
  why(): string | null;
  /** Further facts for `/readyz`. */
  more?(): object;
  families(): Family[];
};

/**
 * A text of metrics is made at most so often (ms), however many ask: all of them get the same. It takes some milliseconds, which is then
 * a twentieth of the event loop at most.
 */
export const SCRAPE_EVERY_MS = 200;

/** Paths that get through where clients are turned away, and those of them whose answers are short. */
const WATCH_PATHS = /^\/(?:healthz|readyz|metrics)$|^\/dashboard\//;
const SHORT_PATHS = /^\/(?:healthz|readyz)$/;

/** The path of what was asked for, without its query. */
export function pathOf(url: string | undefined): string {
  return (url ?? '').replace(/\?.*$/s, '');
}

/** A slash at the end changes nothing here. */
function watchPathOf(url: string | undefined): string {
  return pathOf(url).replace(/^(\/(?:healthz|readyz|metrics))\/$/, '$1');
}

/** Whether whoever asks for this watches over the process. */
export function isWatch(url: string | undefined): boolean {
  return WATCH_PATHS.test(watchPathOf(url));
}

/** Whether the answer to this is so short, and so cheap, that it is given also where memory for answers is not. */
export function isShort(url: string | undefined): boolean {
  return SHORT_PATHS.test(watchPathOf(url));
}

/** Answers those who watch over one process. */
export class Watch {
  readonly #asked: () => Asked;
  readonly #failed: (error: Error) => void;
  /** The newest text, or what it is waited for. */
  #scrape: Promise<Buffer> | null = null;
  #scrapedMs = Number.NEGATIVE_INFINITY;

  /** @param failed hears of an error that is our own */
  constructor(asked: () => Asked, failed: (error: Error) => void) {
    this.#asked = asked;
    this.#failed = failed;
  }

  /** Answers one request. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const isHead = request.method === 'HEAD';
    const say = (status: number, type: string, body: string | Buffer): void => {
      const length = Buffer.byteLength(body);
      response.writeHead(status, {
        'content-type': type,
        'content-length': length,
        'cache-control': 'no-store',
      });
      response.end(isHead ? undefined : body);
    };
    if (request.method !== 'GET' && !isHead) {
      response.setHeader('allow', 'GET, HEAD');
      say(405, 'text/plain', 'only GET and HEAD\n');
      return;
    }
    switch (watchPathOf(request.url)) {
      case '/healthz':
        say(200, 'text/plain', 'alive\n');
        return;
      case '/readyz': {
        const asked = this.#asked();
        const why = asked.why();
        const body = { ok: why === null, why: why ?? '', ...asked.more?.() };
        say(why === null ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
        return;
      }
      case '/metrics':
        this.#scraped().then(
          (text) => say(200, 'text/plain; version=0.0.4; charset=utf-8', text),
          () => say(500, 'text/plain', 'the metrics could not be gathered; the log says why\n'),
        );
        return;
      default:
        say(404, 'text/plain', 'not found\n');
    }
  }

  /** Of all who ask within a while one lets it be made; the others get the same bytes. */
  #scraped(): Promise<Buffer> {
    const nowMs = performance.now();
    if (this.#scrape === null || nowMs - this.#scrapedMs >= SCRAPE_EVERY_MS) {
      this.#scrapedMs = Number.POSITIVE_INFINITY; // not anew while it is under way
      const scrape = this.#make();
      this.#scrape = scrape;
      scrape.catch(this.#failed).finally(() => {
        this.#scrapedMs = performance.now();
      });
    }
    return this.#scrape;
  }

  async #make(): Promise<Buffer> {
    return Buffer.from(await exposition(this.#asked().families()));
  }
}
