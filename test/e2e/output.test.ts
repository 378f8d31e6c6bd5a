/** What a command prints is complete, or its exit code says that it is not; whoever closes a pipe is not shouted at. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { MAIN, shell } from '../support/shell.ts';

const tests = labSuite('output');
const HUGE = 8 * 1024 * 1024 - 1;
const KEYS = 2500;
let shared: Promise<TestCluster> | null = null;

/** A cluster of one with one huge value and many keys, shared by these tests. */
function cluster(lab: Lab): Promise<TestCluster> {
  shared ??= (async () => {
    const started = await TestCluster.start(lab, { clusterId: 'output', size: 1 });
    const client = await started.connect('output_0');
    await client.set('huge', Buffer.alloc(HUGE, 'x'));
    const sets = Array.from({ length: KEYS }, (_, index) => ({
      kind: 'set' as const,
      key: `key${index}`,
      value: 'v',
    }));
    await client.sequence(sets);
    return started;
  })();
  return shared;
}

tests.test('a disk that is full under the output is an error, for bytes, lines and JSON', async (lab) => {
  const { file } = await cluster(lab);
  for (const command of [
    'get huge',
    'range',
    'range --entries --max 10 --json',
    'status',
    'status --json',
    'who-master',
    'range --help',
  ]) {
    const [name, ...rest] = command.split(' ');
    const script = `nursery ${name} --config "$CONFIG" ${rest.join(' ')} > /dev/full`;
    const { code, stderr } = await shell(script, file);
    assert.is(code, EXIT_CODES.OUTPUT_FAILED, `${command}: ${code} ${stderr}`);
    assert.match(stderr, /standard output is incomplete/);
    assert.is(stderr.trim().split('\n').length, 1, stderr);
  }
  // A file that takes a part, as where a disk fills up: the limit is in KiB.
  const partly = await shell(
    'trap "" XFSZ; ulimit -f 1024; nursery get --config "$CONFIG" huge > part; code=$?; wc -c < part; exit $code',
    file,
  );
  assert.is(partly.code, EXIT_CODES.OUTPUT_FAILED, partly.stderr);
  const whole = await shell('nursery get --config "$CONFIG" huge | wc -c', file);
  assert.equal([whole.code, whole.stdout.trim()], [0, String(HUGE)]);
});

tests.test(
  'whoever closes the pipe hears nothing, and the exit code says that there was more',
  async (lab) => {
    const { file } = await cluster(lab);
    for (const command of [
      'get --config "$CONFIG" huge | head -c 5',
      'range --config "$CONFIG" --max -1 | true',
    ]) {
      const { code, stderr } = await shell(`nursery ${command}`, file);
      assert.is(code, EXIT_CODES.PIPE_CLOSED, stderr);
      assert.is(stderr, '');
    }
  },
);

tests.test(
  'lists of any length are whole; where the default cuts one, standard error says so',
  async (lab) => {
    const { file } = await cluster(lab);
    const run = (...args: string[]) => lab.run([...args.slice(0, 1), '--config', file, ...args.slice(1)]);
    const all = await run('range', '--max', '-1');
    const lines = all.stdout.trim().split('\n');
    assert.is(lines.length, KEYS + 1);
    assert.equal(lines, [...lines].sort());
    assert.is(
      (JSON.parse((await run('prefix', 'key', '--max', '-1', '--json')).stdout) as string[]).length,
      KEYS,
    );
    // The huge value fits into no reply together with a thousand others.
    const entries = JSON.parse((await run('range', '--max', '-1', '--entries', '--json')).stdout) as object[];
    assert.is(entries.length, KEYS + 1);
    const cut = await run('range');
    assert.is(cut.stdout.trim().split('\n').length, 1000);
    assert.match(cut.stderr, /more than 1000; --max -1 lists all/);
    assert.is((await run('range', '--max', '1000')).stderr, '');
  },
);

tests.test('with --json errors are JSON, and keys and values have one form', async (lab) => {
  const { file } = await cluster(lab);
  const run = async (...args: string[]) => lab.run([...args.slice(0, 1), '--config', file, ...args.slice(1)]);
  const errors = [
    [['get', 'none', '--json'], 'NOT_FOUND', EXIT_CODES.NOT_FOUND],
    [['get', '0xzz', '--json'], 'BAD_INPUT', EXIT_CODES.USAGE],
    [['get', 'k', '--jsn', '--json'], 'USAGE', EXIT_CODES.USAGE],
    [['migrate', 'a', 'k', 'b', '--json'], 'REFUSED', EXIT_CODES.REFUSED],
  ] as const;
  for (const [args, code, exitCode] of errors) {
    const finished = await run(...args);
    const { error } = JSON.parse(finished.stderr) as {
      error: { code: string; message: string; exitCode: number };
    };
    assert.equal([error.code, error.exitCode, finished.code], [code, exitCode, exitCode], finished.stderr);
    assert.ok(error.message.length > 0);
  }
  const client = await (await cluster(lab)).connect('output_0');
  const forms = {
    '0x': Buffer.alloc(0),
    '""': Buffer.from('""'),
    é: Buffer.from('é'),
    '0xff': Buffer.from([0xff]),
  };
  for (const [form, bytes] of Object.entries(forms)) {
    await client.set(Buffer.concat([Buffer.from('z'), bytes]), bytes);
    const got = JSON.parse(
      (await run('get', '--json', '--', form === '0xff' ? '0x7aff' : `z${form === '0x' ? '' : form}`)).stdout,
    );
    assert.is(got.value, form === '0x' ? '' : form);
  }
  const listed = JSON.parse((await run('prefix', 'z', '--json')).stdout);
  assert.equal(listed, ['z', 'z""', 'zé', '0x7aff']);
});

tests.test('a migration goes on without its display', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'shown', keeperSize: 1, size: 1 });
  const [ams, bru] = nursery.clusters;
  const move = async (script: string, owner: string) => {
    const finished = await shell(script, nursery.file);
    assert.is((await nursery.owners()).get('k'), owner, `${script}: ${finished.stderr}`);
    return finished;
  };
  const to = (id: string): string => `nursery migrate --config "$CONFIG" --range k.. --to ${id}`;
  const closed = await move(`${to(bru.id)} | true`, bru.id);
  assert.equal([closed.code, closed.stderr], [0, '']);
  const first = await move(`${to(ams.id)} --json | head -1`, ams.id);
  assert.equal([first.code, first.stderr], [0, '']);
  const { event, lo, hi } = JSON.parse(first.stdout);
  assert.equal([event, lo, hi], ['planned', 'k', null]);
  // Nobody wanted less here: the range has moved, and the exit code says that the lines are lost.
  const full = await move(`${to(bru.id)} > /dev/full`, bru.id);
  assert.is(full.code, EXIT_CODES.OUTPUT_FAILED, full.stderr);

  // Sockets, as other programs and inetd give them: closed before the first line, after it by a farewell, and by a reset.
  for (const [index, close] of [...SOCKET_CLOSINGS].entries()) {
    const owner = (index % 2 === 0 ? ams : bru).id;
    const finished = await onSocket(close, [
      'migrate',
      '--config',
      nursery.file,
      '--range',
      'k..',
      '--to',
      owner,
    ]);
    assert.equal([finished.code, finished.stderr], [0, ''], `closing ${index}`);
    assert.is((await nursery.owners()).get('k'), owner);
  }
});

/** What becomes of a socket that is the standard output of a command. */
type Closing = (socket: Socket) => void;
const SOCKET_CLOSINGS: readonly Closing[] = [
  (socket) => socket.destroy(),
  (socket) => socket.once('data', () => socket.destroy()),
  (socket) => socket.once('data', () => socket.resetAndDestroy()),
];

/** Runs a command whose standard output is a TCP socket, with the other end of which `close` does what it likes. */
async function onSocket(
  close: Closing,
  args: readonly string[],
): Promise<{ code: number | null; stderr: string }> {
  const server = createServer(close).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const output = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(output, 'connect');
  output.on('error', () => undefined);
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', output, 'pipe'] });
  output.destroy(); // the child has it now
  let stderr = '';
  (child.stderr as Readable).setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  server.close();
  return { code, stderr };
}

tests.run();
