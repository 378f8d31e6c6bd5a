/** Whom the dashboard answers: Host and Origin, as browsers send them for whoever has sent them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Asking, whyForeign } from '../../../src/dashboard/guard.ts';

const KNOWN = ['Router-1.example', '10.0.0.7', 'fe80::1'];

function why(asking: Partial<Asking>): string | null {
  return whyForeign({ host: '10.0.0.7:4000', origin: undefined, localAddress: '10.0.0.7', ...asking }, KNOWN);
}

test('names and addresses of the process are known, at any port: a tunnel has another one', () => {
  for (const host of [
    '10.0.0.7:4000',
    '10.0.0.7',
    'router-1.example',
    'ROUTER-1.EXAMPLE:80',
    'localhost:8080',
  ])
    assert.is(why({ host }), null, host);
  assert.is(why({ host: '[fe80::1]:4000' }), null);
  assert.is(why({ host: '192.168.3.4:4000', localAddress: '::ffff:192.168.3.4' }), null);
  assert.is(why({ host: '[2001:db8::1]:4000', localAddress: '2001:db8::1' }), null);
});

test('any other name is refused: its owner may let it point here', () => {
  const hostile = [
    'evil.example',
    'router-1.example.evil.example',
    '10.0.0.8',
    '[::1]',
    '10.0.0.7.evil.example:4000',
  ];
  for (const host of hostile) assert.match(why({ host }) ?? '', 'no known name', host);
});

test('a Host that is none is refused', () => {
  const hostile = [
    undefined,
    '',
    ':80',
    'a b',
    'user@10.0.0.7',
    '10.0.0.7:4000:1',
    '10.0.0.7/',
    '[fe80::1',
    'localhost:x',
  ];
  for (const host of hostile) assert.match(why({ host }) ?? '', 'names no host', String(host));
});

test('a page of another origin is refused, one of the same is not', () => {
  for (const origin of ['http://10.0.0.7:4000', 'https://10.0.0.7:4000', 'HTTP://10.0.0.7:4000'])
    assert.is(why({ origin }), null, origin);
  const foreign = [
    'null',
    '',
    'http://10.0.0.7',
    'http://10.0.0.7:4001',
    'http://evil.example',
    'file://10.0.0.7:4000',
  ];
  for (const origin of foreign) assert.match(why({ origin }) ?? '', 'another origin', origin);
});

test.run();
