import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dial } from '../../../src/link/dial.ts';
import type { Link, LinkResult } from '../../../src/link/link.ts';
import { PersistentLink } from '../../../src/link/persistent.ts';
import { Acceptor, handlers, hello } from './pair.ts';

test('a lost link comes back, and requests meanwhile fail as not sent', async () => {
  const acceptor = await new Acceptor({
    request: (_link, _body, respond) => respond({ bytes: Buffer.from('yes'), hint: null }),
  }).listen();
  const { port } = acceptor;
  let up: (link: Link) => void = () => {};
  let down: (why: string) => void = () => {};
  const nextUp = (): Promise<Link> => new Promise((resolve) => (up = resolve));
  const nextDown = (): Promise<string> => new Promise((resolve) => (down = resolve));
  const ask = (): Promise<LinkResult> =>
    new Promise((resolve) => persistent.request(Buffer.from('?'), 1000, resolve));

  const first = nextUp();
  const persistent = new PersistentLink({
    host: '127.0.0.1',
    port,
    hello: () => hello('c'),
    handlers: handlers(),
    timeoutMs: 1000,
    onUp: (link) => up(link),
    onDown: (why) => down(why),
  });
  assert.equal(await ask(), { kind: 'failed', why: 'closed', sent: false });
  assert.not(persistent.post(1, Buffer.from('x')));
  const firstLink = await first;
  assert.is(persistent.link, firstLink);
  assert.is((await ask()).kind, 'reply');

  const second = nextUp();
  const lost = nextDown();
  for (const link of acceptor.links.links) link.close('restart');
  assert.is(await lost, 'restart');
  assert.is(persistent.link, null);
  assert.is.not(await second, firstLink);
  assert.is((await ask()).kind, 'reply');

  // Gone for a while: each attempt says so, and the next that succeeds ends it.
  const gone = nextDown();
  await acceptor.close();
  await gone;
  assert.match(await nextDown(), 'ECONNREFUSED');
  const third = nextUp();
  const again = await new Acceptor({}).listen(port);
  await third;
  persistent.close();
  assert.is(persistent.link, null);
  await again.close();
});

test('closed while it dials, it stays closed', async () => {
  const opened: string[] = [];
  const acceptor = await new Acceptor({}).listen();
  const persistent = new PersistentLink({
    host: '127.0.0.1',
    port: acceptor.port,
    hello: hello('c'),
    handlers: handlers({ closed: (_link, why) => opened.push(why) }),
    timeoutMs: 1000,
    onUp: () => opened.push('up'),
    onDown: (why) => opened.push(why),
  });
  persistent.close();
  // A link dialled later is answered later: by then the first attempt has ended.
  const later = await dial({
    host: '127.0.0.1',
    port: acceptor.port,
    hello: hello('c'),
    handlers: handlers(),
    timeoutMs: 1000,
  });
  assert.equal(opened, ['closed']);
  later.close('done');
  await acceptor.close();
});

test.run();
