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

/** Paths that get through where clients are turned away. */
const WATCH_PATHS = /^\/(?:healthz|readyz|metrics)$|^\/dashboard\//;

/** Whether whoever asks for this watches over the process. */
export function isWatch(url: string | undefined): boolean {
  return WATCH_PATHS.test(url ?? '');
}

/** Answers one request; `failed` hears of an error that is our own. */
export function answerWatch(
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
  failed: (error: Error) => void,
): void {
  const isHead = request.method === 'HEAD';
  const say = (status: number, type: string, body: string): void => {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(isHead ? undefined : body);
  };
  if (request.method !== 'GET' && !isHead) {
    response.setHeader('allow', 'GET, HEAD');
    say(405, 'text/plain', 'only GET and HEAD\n');
    return;
  }
  switch (request.url) {
    case '/healthz':
      say(200, 'text/plain', 'alive\n');
      return;
    case '/readyz': {
      const why = asked.why();
      const body = { ok: why === null, why: why ?? '', ...asked.more?.() };
      say(why === null ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
      return;
    }
    case '/metrics':
      exposition(asked.families()).then(
        (text) => say(200, 'text/plain; version=0.0.4; charset=utf-8', text),
        (error: Error) => {
          say(500, 'text/plain', 'the metrics could not be gathered; the log says why\n');
          failed(error);
        },
      );
      return;
    default:
      say(404, 'text/plain', 'not found\n');
  }
}
