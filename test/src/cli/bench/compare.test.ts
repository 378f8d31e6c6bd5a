/** `nursery bench --compare`, against servers that answer what the test says. */
import { createServer as createHttp2Server } from 'node:http2';
import { createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import type { Connect } from '../../../../src/cli/bench/client.ts';
import { Processes } from '../../../../src/cli/bench/compare/contestant.ts';
import { EtcdLoadClient } from '../../../../src/cli/bench/compare/etcd-client.ts';
import { etcdDialect } from '../../../../src/cli/bench/compare/etcd-protocol.ts';
import { redisDialect, redisWire } from '../../../../src/cli/bench/compare/redis.ts';
import { Load } from '../../../../src/cli/bench/load.ts';
import { type Dialect, Operation, Workload } from '../../../../src/cli/bench/operations.ts';
import { TcpLoadClient } from '../../../../src/cli/bench/tcp-client.ts';

const SIZES = { keys: 20, keyBytes: 4, valueBytes: 3, sequenceUpdates: 1, rangeEntries: 1 };
/** Sets each key once. */
const FILL = [{ name: 'fill', weight: 1 }] as const;

async function filled(dialect: Dialect, connect: Connect, outstanding = 5) {
  const load = new Load(new Workload(FILL, SIZES, 1, dialect), {
    connections: 2,
    outstanding,
    warmUpSeconds: 0,
    seconds: 30,
    connect,
    onProgress: () => undefined,
  });
  return (await load.run()).tally;
}

/** Resolves with the port. */
function listening(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}) {
  return new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
}

test('requests to Redis are its own, with keys where they belong', () => {
  const written = (name: 'set' | 'get' | 'delete') => {
    const operation = new Operation(name, SIZES, redisDialect);
    const frame = Buffer.alloc(operation.bytes);
    operation.write(frame, 0, () => 17);
    return frame.toString();
  };
  assert.is(written('set'), '*3\r\n$3\r\nSET\r\n$4\r\n0017\r\n$3\r\nvvv\r\n');
  assert.is(written('get'), '*2\r\n$3\r\nGET\r\n$4\r\n0017\r\n');
  assert.is(written('delete'), '*2\r\n$3\r\nDEL\r\n$4\r\n0017\r\n');
});

test('answers of Redis: wherever they are cut, they end where they end', () => {
  const operation = new Operation('get', SIZES, redisDialect);
  const answers = [
    ['+OK\r\n', null],
    [':1\r\n', null],
    ['$5\r\na\r\nbc\r\n', null],
    ['$0\r\n\r\n', null],
    ['$-1\r\n', null],
    ['-ERR no room\r\n', 'ERR no room'],
  ] as const;
  for (const [text, failure] of answers) {
    const input = Buffer.from(`?${text}+OK\r\n`);
    const end = 1 + text.length;
    assert.equal(redisWire.reply(operation, input, 1), { end, failure });
    for (let cut = 1; cut < end; cut += 1)
      assert.is(redisWire.reply(operation, input.subarray(0, cut), 1), null, `${text} cut at ${cut}`);
  }
  assert.throws(() => redisWire.reply(operation, Buffer.from('HTTP/1.1 400\r\n'), 0), /no answer of Redis/);
});

test('requests to etcd: gRPC, of the lengths that they say', () => {
  const operation = new Operation('set', { ...SIZES, valueBytes: 300 }, etcdDialect);
  const frame = Buffer.alloc(operation.bytes);
  operation.write(frame, 0, () => 17);
  assert.is(frame[0], 0);
  assert.is(frame.readUInt32BE(1), frame.length - 5);
  // Key of 4 bytes; value of 300, whose length takes two: 0xac 0x02.
  assert.equal([...frame.subarray(5, 14)], [0x0a, 4, 0x30, 0x30, 0x31, 0x37, 0x12, 0xac, 0x02]);
  assert.is(frame.length, 14 + 300);
  const get = new Operation('get', SIZES, etcdDialect);
  const asked = Buffer.alloc(get.bytes);
  get.write(asked, 0, () => 0);
  assert.equal([...asked], [0, 0, 0, 0, 6, 0x0a, 4, 0x30, 0x30, 0x30, 0x30]);
});

test('what others do not have is refused', () => {
  for (const dialect of [redisDialect, etcdDialect])
    for (const name of ['sequence', 'multi-get', 'range-entries', 'function'] as const)
      assert.throws(
        () => new Operation(name, SIZES, dialect),
        (error: unknown) =>
          error instanceof NurseryError && error.code === 'REFUSED' && error.message.includes(name),
      );
});

test('a load on a server like Redis sets each key once, and counts its errors', async () => {
  const keys: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      // Frames are short here, and arrive whole.
      for (const [, key = ''] of chunk.toString().matchAll(/SET\r\n\$4\r\n(\d{4})\r\n/g)) {
        keys.push(key);
        socket.write(key === '0003' ? '-OOM\r\n' : '+OK\r\n');
      }
    });
  });
  const place = { host: '127.0.0.1', port: await listening(server), cluster: '' };
  const tally = await filled(
    redisDialect,
    async (load, lost) => new TcpLoadClient(load, place, redisWire, lost),
  );
  server.close();
  assert.equal(
    keys.sort(),
    Array.from({ length: 20 }, (_, index) => String(index).padStart(4, '0')),
  );
  assert.is(tally.figures(1).total.operations, 19);
  assert.equal(tally.errors, { OOM: 1 });
});

test('a load on a server like etcd sets each key once; errors come in trailers, or in headers alone', async () => {
  const keys: string[] = [];
  const server = createHttp2Server();
  server.on('stream', (stream, headers) => {
    assert.is(headers[':path'], '/etcdserverpb.KV/Put');
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      const key = Buffer.concat(parts).toString('latin1', 7, 11);
      keys.push(key);
      const head = { ':status': 200, 'content-type': 'application/grpc' };
      if (key === '0005') {
        stream.respond({ ...head, 'grpc-status': '14', 'grpc-message': 'no leader' }, { endStream: true });
        return;
      }
      stream.respond(head, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': key === '0003' ? '8' : '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
  });
  const place = { host: '127.0.0.1', port: await listening(server), cluster: '' };
  const tally = await filled(etcdDialect, async (load, lost) => new EtcdLoadClient(load, place, lost));
  server.close();
  assert.equal(
    keys.sort(),
    Array.from({ length: 20 }, (_, index) => String(index).padStart(4, '0')),
  );
  assert.is(tally.figures(1).total.operations, 18);
  assert.equal(tally.errors, { 'gRPC status 8: ': 1, 'gRPC status 14: no leader': 1 });
});

test('a server that is not installed is named, with the package that has it', async () => {
  const processes = new Processes();
  processes.start('no-such-server', [], 'no-such-package');
  try {
    await processes.untilUp('it', () => Promise.reject(new Error('refused')));
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /ENOENT; apt-get install no-such-package/);
  }
});

test.run();
