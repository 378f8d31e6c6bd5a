import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../src/base/errors.ts';
import {
  addressKey,
  dialableHost,
  HOST_ALLOWED,
  parseAddress,
  parseHost,
  printAddress,
  whyNoName,
  whyUndiallable,
} from '../../../src/identity/address.ts';
import { dial } from '../../../src/link/dial.ts';
import { handlers, hello } from '../link/pair.ts';

/** What people write, and what is dialled. */
const HOSTS = [
  ['10.0.0.1', '10.0.0.1'],
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['::1%lo', '::1%lo'],
  ['[fe80::1%eth0.7]', 'fe80::1%eth0.7'],
  ['fe80::1%2', 'fe80::1%2'],
  ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
  ['localhost', 'localhost'],
  ['node_1.example.com.', 'node_1.example.com'],
  ['4000.example', '4000.example'],
  ['xn--nxasmq6b', 'xn--nxasmq6b'],
] as const;

const NONE = [
  ...['', ' ', 'bad host', '127.0.0.1:4000', '[::1]:4000', 'localhost:4000', 'http://10.0.0.1', 'ws://a/'],
  ...['999.1.1.1', '1.2.3', '127.1', '01.2.3.4', '0x7f000001', '4000', 'node.7', '[10.0.0.1]', '[localhost]'],
  ...['::1%', '::1%lo%lo', '::1%l o', '::1%a/b', 'fe80::%0123456789abcdef', '1::2::3', '[::1', '::1]', '[]'],
  ...['-a', 'a-', 'a..b', '.', '..', 'a/b', 'köln', 'a\0b', 'a\nb', 'a@b', 'a?b', 'a#b', 'a%62', '*'],
  ...['a'.repeat(64), `${'a.'.repeat(127)}bc`],
];

test('what can be dialled: IPv4, IPv6 with and without brackets and zone, names', () => {
  for (const [text, host] of HOSTS) assert.equal(parseHost(text), { host, why: null }, text);
});

test('what cannot be dialled says what is allowed', () => {
  for (const text of NONE) {
    const { host, why } = parseHost(text);
    assert.is(host, null, text);
    assert.ok(why?.endsWith(HOST_ALLOWED), text);
  }
  assert.match(parseHost('127.0.0.1:4000').why as string, /without its port/);
  assert.match(parseHost('http://10.0.0.1').why as string, /URL/);
  assert.match(parseHost('999.1.1.1').why as string, /no IPv4 address/);
});

test('whatever is written, sockets and links never throw at what comes of it', async () => {
  const letters = fc.constantFrom(...'01afx:.%[]-_/@# \0é~'.split(''));
  const texts = fc.oneof(fc.string(), fc.string({ unit: letters, maxLength: 12 }), fc.ipV6(), fc.ipV4());
  fc.assert(
    fc.property(texts, (text) => {
      const { host } = parseHost(text);
      if (host === null) return;
      assert.ok(isIP(host.replace(/%.*/, '')) !== 0 || /^[\w.-]+$/.test(host), host);
      assert.equal(parseHost(host).host, host);
      assert.equal(parseAddress(printAddress(host, 4000)), { host, port: 4000 });
      addressKey(host, 4000);
    }),
    { numRuns: 2000 },
  );
  const places: [string, number][] = [...NONE.map((host): [string, number] => [host, 4000])];
  for (const port of [0, -1, 65_536, 2 ** 32 - 1, 1.5, Number.NaN]) places.push(['127.0.0.1', port]);
  for (const [host, port] of places) {
    assert.throws(() => dialableHost(host, port), isUnreachable, `${host} ${port}`);
    const dialled = dial({ host, port, hello: hello('c'), handlers: handlers(), timeoutMs: 2000 });
    await dialled.then(
      () => assert.unreachable(host),
      (error) => assert.ok(isUnreachable(error), `${host} ${port}: ${error}`),
    );
  }
});

test('an address with its port', () => {
  assert.equal(parseAddress('[::1%lo]:4000'), { host: '::1%lo', port: 4000 });
  assert.equal(parseAddress('a-host:1'), { host: 'a-host', port: 1 });
  for (const text of [
    'a',
    'a:',
    ':4000',
    '::1:4000',
    'a:0',
    'a:65536',
    'a:4000x',
    'http://a:1',
    'a b:1',
    '',
  ]) {
    assert.throws(
      () => parseAddress(text),
      (error: NurseryError) => error.code === 'BAD_INPUT',
      text,
    );
  }
});

test('two ways to write one address are the same', () => {
  assert.is(addressKey('::1', 1), addressKey('0:0:0::0:1', 1));
  assert.is(addressKey('FE80::A%eth0', 1), addressKey('fe80::a%eth0', 1));
  assert.is(addressKey('LocalHost', 1), addressKey('localhost', 1));
  assert.is.not(addressKey('fe80::a%eth0', 1), addressKey('fe80::a%eth1', 1));
  assert.is.not(addressKey('::1', 1), addressKey('::1', 2));
});

test('names that are paths are none', () => {
  for (const name of ['n0', 'node 1', '..n', 'ams.0', 'é', 'a'.repeat(200)])
    assert.is(whyNoName(name), null, name);
  for (const name of ['', '.', '..', '../n', '/n', 'a/b', 'a\\b', 'a\nb', 'a\0', 'a'.repeat(201)]) {
    assert.ok(whyNoName(name), name);
  }
});

test('a cluster that nobody could reach', () => {
  const n1 = { name: 'n1', ips: ['10.0.0.1', '::1'], port: 4000 };
  const why = (nodes: readonly (typeof n1)[], cluster = 'c') =>
    whyUndiallable({ cluster, nodes: [...nodes] });
  assert.is(why([n1, { ...n1, name: 'n2', port: 4001 }]), null);
  assert.match(why([]) as string, /no nodes/);
  assert.match(why([n1], '') as string, /1 to 256 bytes/);
  assert.match(why([n1], 'a\nb') as string, /control characters/);
  assert.match(why([{ ...n1, name: '../x' }]) as string, /no path/);
  assert.match(why([{ ...n1, port: 70_000 }]) as string, /port 70000: allowed is 1 to 65535/);
  assert.match(why([{ ...n1, ips: [] }]) as string, /no address/);
  assert.match(why([{ ...n1, ips: ['bad host'] }]) as string, /"bad host": .*allowed is/);
  assert.match(why([n1, { ...n1, port: 4001 }]) as string, /named twice/);
  assert.match(why([n1, { ...n1, name: 'n2', ips: ['0::1'] }]) as string, /is the address of n1 already/);
});

function isUnreachable(error: unknown): boolean {
  return error instanceof NurseryError && error.code === 'UNREACHABLE';
}

test.run();
