import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX } from '../../../../src/base/limits.ts';
import {
  type Entry,
  ExportReader,
  ExportWriter,
  type Image,
  LINE_BYTES_MAX,
  linesOf,
} from '../../../../src/cli/export/lines.ts';
import { type Range, WHOLE } from '../../../../src/keyspace/range.ts';

function written(entries: readonly Entry[], range: Range = WHOLE): string {
  const writer = new ExportWriter();
  return writer.begin({ kind: 'export', range }) + writer.more(entries) + writer.end();
}

async function read(bytes: Buffer, pieceBytes = bytes.length): Promise<Entry[]> {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const reader = new ExportReader();
  const entries: Entry[] = [];
  for await (const line of linesOf(pieces())) {
    const entry = reader.take(line);
    if (entry !== null) entries.push(entry);
  }
  reader.finish();
  return entries;
}

async function refusal(text: string): Promise<string> {
  try {
    await read(Buffer.from(text));
  } catch (error) {
    if (error instanceof NurseryError && error.code === 'BAD_INPUT') return error.message;
    throw error;
  }
  return 'none';
}

const entry = (key: string, value: string): Entry => ({ key: Buffer.from(key), value: Buffer.from(value) });
const FRUIT = [entry('apple', 'red'), entry('banana', 'yellow')];

test('the lines are those of the handbook', () => {
  assert.is(
    written([entry('apple', 'red')], { lo: 'a', hi: null }),
    '{"export":1,"range":{"lo":"a","hi":null}}\n' +
      '{"key":"apple","value":"red"}\n' +
      '{"entries":1,"sha256":"0c61dde3372ea80299afeacd7ffa80586e30aaa6f0c6b4039f2414711324c1d3"}\n',
  );
});

test('whatever is exported is read again, in pieces of any size', async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(content, content)),
      fc.integer({ min: 1, max: 50 }),
      async (pairs, size) => {
        const byKey = new Map(
          pairs.map(([key, value]) => [Buffer.from(key).toString('latin1'), Buffer.from(value)]),
        );
        const entries = [...byKey.keys()].sort().map((key) => ({
          key: Buffer.from(key, 'latin1'),
          value: byKey.get(key) as Buffer,
        }));
        assert.equal(await read(Buffer.from(written(entries)), size), entries);
      },
    ),
    { numRuns: 300 },
  );
});

test('an export that is cut off anywhere is refused', async () => {
  const whole = written(FRUIT);
  for (let length = 0; length < whole.length - 1; length += 1) {
    assert.is.not(await refusal(whole.slice(0, length)), 'none', `${length} bytes of ${whole.length}`);
  }
  assert.is(await refusal(whole.slice(0, -1)), 'none', 'only the last line feed is missing');
});

test('an export in which anything was changed is refused', async () => {
  const whole = Buffer.from(written(FRUIT));
  for (let at = 0; at < whole.length - 1; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] as number) ^ 1;
    await read(changed).then(
      () => assert.unreachable(`byte ${at}`),
      (error) => assert.instance(error, NurseryError, `byte ${at}: ${error.stack}`),
    );
  }
});

const IMAGE: Image = {
  cluster: 'ams',
  founding: 'f',
  keeper: '',
  node: 'ams_0',
  slot: 7,
  taken: '2026-01-01T00:00:00.000Z',
  owned: [
    { lo: 'b', hi: 'd', epoch: 1 },
    { lo: 'k', hi: null, epoch: 3 },
  ],
};

function imageOf(keys: readonly string[], image: Image = IMAGE): string {
  const writer = new ExportWriter();
  const entries = keys.map((key) => entry(key, 'v'));
  return writer.begin({ kind: 'image', image }) + writer.more(entries) + writer.end();
}

test('an image of an earlier build has functions without versions', async () => {
  const named = { name: 'f', version: 1, source: Buffer.from('F') };
  const text = imageOf([], { ...IMAGE, functionsVersion: 9, functions: [named] });
  const [first = ''] = text.split('\n');
  const { functionsVersion, ...head } = JSON.parse(first);
  const { version, ...before } = head.functions[0];
  assert.equal([functionsVersion, version], [9, 1]);
  const reader = new ExportReader();
  reader.take(Buffer.from(JSON.stringify({ ...head, functions: [before] })));
  assert.equal(reader.head, { kind: 'image', image: { ...IMAGE, functions: [named] } });
});

test('an image says whose it is, and holds keys of its ranges alone', async () => {
  const text = imageOf(['b', 'c', 'k', 'x']);
  const reader = new ExportReader();
  for (const line of text.trim().split('\n')) reader.take(Buffer.from(line));
  assert.equal(reader.head, { kind: 'image', image: IMAGE });
  assert.is(reader.entries, 4);
  assert.is(reader.sha256, JSON.parse(text.trim().split('\n').at(-1) as string).sha256);
  for (const key of ['a', 'd', 'e']) {
    assert.match(await refusal(imageOf([key])), /^line 2: the key lies outside the range$/);
  }
  assert.is(await refusal(imageOf([], { ...IMAGE, owned: [] })), 'none', 'a cluster may own nothing');
  const head = JSON.parse(text.split('\n')[0] as string) as object;
  const refused = (change: object): Promise<string> => refusal(JSON.stringify({ ...head, ...change }));
  assert.match(await refused({ image: 2 }), /^line 1: this is no export, and no image/);
  assert.match(await refused({ cluster: 1 }), /^line 1: the image does not say its cluster$/);
  assert.match(await refused({ slot: -1 }), /^line 1: the image does not say its slot/);
  assert.match(await refused({ owned: [{ lo: '', hi: null }] }), /^line 1: a range has no epoch$/);
  assert.match(await refused({ owned: [null] }), /^line 1: a range has no epoch$/);
});

test('a refusal names the line, and what is wrong with it', async () => {
  const [head, first, second, last] = written(FRUIT).trimEnd().split('\n') as [
    string,
    string,
    string,
    string,
  ];
  const joined = (...lines: string[]): string => lines.join('\n');
  assert.match(await refusal('hello'), /^line 1: it is no JSON object$/);
  assert.match(
    await refusal('[1]\n'),
    /^line 1: this is no export, and no image of a backup, that this version reads/,
  );
  assert.match(
    await refusal(joined('{"export":2}', first)),
    /^line 1: this is no export, and no image of a backup, that this version reads/,
  );
  assert.match(await refusal(joined('{"export":1}', first)), /^line 1: the range is missing$/);
  assert.match(await refusal(joined(head, '{"key":1}')), /^line 2: key and value are missing$/);
  assert.match(await refusal(joined(head, '{"key":"0xg","value":""}')), /^line 2: /);
  assert.match(await refusal(joined(head, second, first)), /^line 3: keys do not ascend$/);
  assert.match(await refusal(joined(head, first, last)), /^line 3: 2 entries are promised, 1 came$/);
  assert.match(await refusal(joined(head, first, second)), /^line 3: it ends here without its last line/);
  assert.match(
    await refusal(joined(head, first, second, last, first)),
    /^line 5: something follows the last line$/,
  );
  assert.match(
    await refusal(written(FRUIT, { lo: 'b', hi: null })),
    /^line 2: the key lies outside the range$/,
  );
});

test('keys and values that could not be stored are refused with their line', async () => {
  const long = (bytes: number): string => 'x'.repeat(bytes);
  assert.match(
    await refusal(written([entry('a', 'v'), entry(long(USER_KEY_MAX + 1), 'v')])),
    /^line 3: key of 4026 bytes/,
  );
  assert.match(await refusal(written([entry('a', long(VALUE_MAX + 1))])), /^line 2: value of \d+ bytes/);
  assert.match(await refusal('{"export":1,"range":{"lo":"0xzz","hi":null}}\n'), /^line 1: /);
});

test('what is no export at all takes no more memory than its longest line', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.alloc(1024 * 1024, 'x');
  }
  const lines = linesOf(endless());
  await lines.next().then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, `more than ${LINE_BYTES_MAX} bytes`),
  );
});

test.run();
