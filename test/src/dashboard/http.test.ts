/** The dashboard over HTTP: headers, who is refused, how often it is gathered, and what a token is for. */
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../src/base/errors.ts';
import { type Actions, Dashboard, type Gathered } from '../../../src/dashboard/http.ts';
import { Operations } from '../../../src/protocol/arakoon/operations.ts';
import { OK } from '../../../src/protocol/arakoon/replies.ts';

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
type Sent = {
  readonly method?: string;
  readonly headers?: { [name: string]: string };
  readonly body?: string;
};

const TOKEN = 'a-token-of-tests-0123';
const GATHERED = { verdict: { state: 'healthy', words: 'healthy: <b>' } } as unknown as Gathered;

class Site {
  gathered = 0;
  failed: Error[] = [];
  acted: unknown[] = [];
  gather: () => Promise<Gathered> = async () => GATHERED;
  readonly operations = new Operations(0);
  readonly #server: Server;

  constructor(actions: 'takes' | 'none' = 'takes') {
    const dashboard = new Dashboard({
      hosts: ['router.example'],
      gather: () => {
        this.gathered += 1;
        return this.gather();
      },
      actions: actions === 'none' ? null : { token: TOKEN, act: (asked, remote) => this.#act(asked, remote) },
      failed: (error) => this.failed.push(error),
    });
    this.#server = createServer((request, response) => {
      if (!dashboard.answer(request, response, this.operations)) response.writeHead(418).end();
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  ask(path: string, { method = 'GET', headers = {}, body = '' }: Sent = {}): Promise<Answer> {
    const { port } = this.#server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        { host: '127.0.0.1', port, path, method, headers, agent: false },
        (response) => {
          const pieces: Buffer[] = [];
          response.on('data', (piece: Buffer) => pieces.push(piece));
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(pieces),
            }),
          );
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  }

  act(body: string, headers: { [name: string]: string } = {}): Promise<Answer> {
    return this.ask('/dashboard/moves', { method: 'POST', headers, body });
  }

  close(): void {
    this.#server.close();
  }

  #act: Actions['act'] = async (asked) => {
    this.acted.push(asked);
    const { code } = asked as { readonly code?: 'REFUSED' | 'BAD_INPUT' | 'UNREACHABLE' };
    if (code !== undefined) throw new NurseryError(code, 'not so');
    return { done: true };
  };
}

const tests = suite<{ site: Site }>('dashboard over HTTP');
tests.before.each(async (context) => {
  context.site = await new Site().start();
});
tests.after.each(({ site }) => site.close());

tests('every answer says what a page may do: nothing but what is here, and in no frame', async ({ site }) => {
  for (const path of [
    '/dashboard/',
    '/dashboard/document',
    '/dashboard/main.js',
    '/dashboard/none',
    '/dashboard',
  ]) {
    const { headers } = await site.ask(path);
    assert.is(
      headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    assert.is(headers['x-content-type-options'], 'nosniff');
    assert.is(headers['access-control-allow-origin'], undefined);
    assert.is(headers['set-cookie'], undefined);
  }
});

tests('what is not of the dashboard is left to others', async ({ site }) => {
  for (const path of ['/metrics', '/dashboards', '/dashboardx/', '/nursery'])
    assert.is((await site.ask(path)).status, 418, path);
  assert.is((await site.ask('/')).headers.location, '/dashboard/');
  assert.is((await site.ask('/dashboard?x')).headers.location, '/dashboard/');
});

tests('files are sent once, and only those that there are', async ({ site }) => {
  const page = await site.ask('/dashboard/', { headers: { 'accept-encoding': 'gzip' } });
  assert.match(gunzipSync(page.body).toString(), '<!doctype html>');
  const tag = page.headers.etag as string;
  assert.is((await site.ask('/dashboard/', { headers: { 'if-none-match': tag } })).status, 304);
  const script = await site.ask('/dashboard/uPlot.iife.min.js', { method: 'HEAD' });
  assert.match(script.headers['content-type'] ?? '', 'text/javascript');
  assert.is(script.body.length, 0);
  for (const path of [
    '../http.js',
    '..%2fhttp.js',
    'tsconfig.json',
    'index.html',
    '%00',
    'main.js/',
    'constructor',
  ])
    assert.is((await site.ask(`/dashboard/${path}`)).status, 404, path);
});

tests('an unknown name, and a page of another origin, get nothing', async ({ site }) => {
  for (const path of ['/dashboard/', '/dashboard/document', '/']) {
    for (const headers of [{ host: 'evil.example' }, { origin: 'http://evil.example' }, { origin: 'null' }]) {
      const { status, body } = await site.ask(path, { headers });
      assert.is(status, 403);
      assert.match(JSON.parse(body.toString()).error.message, /no known name|another origin/);
    }
  }
  const foreign = { origin: 'http://evil.example', 'x-nursery-token': TOKEN };
  assert.is((await site.act('{}', foreign)).status, 403);
  assert.equal([site.gathered, site.acted.length], [0, 0]);
  assert.is((await site.ask('/dashboard/document', { headers: { host: 'router.example:80' } })).status, 200);
});

tests('however many ask, it is gathered once a second; the answer is the same', async ({ site }) => {
  site.operations.answered('get', 0.0002, 0, OK);
  let release = (_: Gathered): void => undefined;
  const wait = new Promise<Gathered>((resolve) => (release = resolve));
  site.gather = () => wait;
  const asked = Array.from({ length: 20 }, () => site.ask('/dashboard/document'));
  while (site.gathered === 0) await new Promise(setImmediate);
  release(GATHERED);
  const answers = await Promise.all([...asked, site.ask('/dashboard/document')]);
  assert.is(site.gathered, 1);
  const document = JSON.parse(answers[0]?.body.toString() ?? '');
  assert.equal([document.verdict, document.takesActions], [GATHERED.verdict, true]);
  assert.is(document.answered.reads.length, document.answered.boundsS.length + 1);
  for (const { body } of answers) assert.equal(JSON.parse(body.toString()), document);
});

tests('a gathering that fails is told, and not tried more often', async ({ site }) => {
  site.gather = async () => {
    throw new Error('broken');
  };
  for (const _ of [1, 2, 3]) assert.is((await site.ask('/dashboard/document')).status, 500);
  assert.is(site.gathered, 1);
  assert.match(site.failed[0]?.message ?? '', 'broken');
});

tests('an action takes the token, in a header and nowhere else', async ({ site }) => {
  const wrong = [
    {},
    { 'x-nursery-token': '' },
    { 'x-nursery-token': `${TOKEN}x` },
    { cookie: `x-nursery-token=${TOKEN}` },
  ];
  for (const headers of wrong)
    assert.is((await site.act('{}', headers as { [name: string]: string })).status, 401);
  assert.is((await site.ask(`/dashboard/moves?x-nursery-token=${TOKEN}`, { method: 'POST' })).status, 401);
  assert.is((await site.ask('/dashboard/moves', { headers: { 'x-nursery-token': TOKEN } })).status, 405);
  assert.is((await site.ask('/dashboard/document', { method: 'POST' })).status, 405);
  assert.equal(site.acted, []);
  const { status, body } = await site.act('{"action":"pause"}', { 'x-nursery-token': TOKEN });
  assert.equal([status, JSON.parse(body.toString())], [200, { done: true }]);
});

tests('what an action fails with is told by its code', async ({ site }) => {
  const cases = [
    ['{"code":"REFUSED"}', 409],
    ['{"code":"BAD_INPUT"}', 400],
    ['{"code":"UNREACHABLE"}', 503],
    ['{', 400],
    [`"${'x'.repeat(40_000)}"`, 400],
  ] as const;
  for (const [body, status] of cases) {
    const answer = await site.act(body, { 'x-nursery-token': TOKEN });
    assert.is(answer.status, status, body.slice(0, 30));
    assert.type(JSON.parse(answer.body.toString()).error.message, 'string');
  }
});

tests('a process without moves takes no actions, whoever asks', async () => {
  const site = await new Site('none').start();
  assert.is((await site.act('{}', { 'x-nursery-token': TOKEN })).status, 403);
  const document = JSON.parse((await site.ask('/dashboard/document')).body.toString());
  assert.is(document.takesActions, false);
  site.close();
});

tests.run();
