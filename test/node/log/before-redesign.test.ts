/**
 * Segments that the build before the redesign wrote (test/golden/homes-before-the-redesign): read, and written again to the same
 * bytes. So a build that writes its log otherwise is seen, though it can read the old one.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { REAL_DISK } from '../../../node/log/disk.ts';
import { encodeHeader, readHeader } from '../../../node/log/header.ts';
import {
  GroupWriter,
  isRecord,
  kindAt,
  lengthAt,
  numberAt,
  payloadAt,
  provenAt,
  RECORD_KINDS,
  recordBytes,
} from '../../../node/log/record.ts';
import { logRecordCodec } from '../../../node/paxos/values.ts';
import { decode } from '../../../src/wire/codec.ts';

const GOLDEN = 'test/golden/homes-before-the-redesign';
const SEGMENTS = readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.tlog.gz'))
  .sort();

const tests = suite('logs of the build before the redesign', { dir: '' });

tests.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'nursery-before-redesign-'));
});
tests.after.each(({ dir }) => rmSync(dir, { recursive: true }));

/** Number of records of a segment, each of which was written again. */
async function rewritten(path: string, segment: string): Promise<number> {
  const bytes = readFileSync(path);
  const file = await REAL_DISK.open(path, 'read');
  const found = await readHeader(file).finally(() => file.close());
  if (typeof found === 'string') throw new Error(`${segment}: ${found}`);
  const { header, recordsAt } = found;
  assert.equal(encodeHeader(header), bytes.subarray(0, recordsAt), `${segment}: its header`);

  const group = new GroupWriter();
  let count = 0;
  let [begin, end] = [recordsAt, recordsAt];
  const finish = (): void => {
    const again = group.seal(begin, header.salt);
    assert.equal(Buffer.from(again), bytes.subarray(begin, end), `${segment}: records from byte ${begin} on`);
    group.reset();
    begin = end;
  };
  while (isRecord(bytes, end, end, header.salt)) {
    // A group begins where all before it was synced.
    if (provenAt(bytes, end) !== begin) finish();
    const isEntry = kindAt(bytes, end) === RECORD_KINDS.ENTRY;
    group.add(numberAt(bytes, end), isEntry ? decode(logRecordCodec, payloadAt(bytes, end)) : null);
    end += recordBytes(lengthAt(bytes, end));
    count += 1;
  }
  finish();
  return count;
}

tests('each segment is written again as it was', async ({ dir }) => {
  assert.ok(SEGMENTS.length > 10, 'there are segments');
  let count = 0;
  for (const segment of SEGMENTS) {
    const path = join(dir, 'segment.tlog');
    writeFileSync(path, gunzipSync(readFileSync(join(GOLDEN, segment))));
    count += await rewritten(path, segment);
  }
  assert.ok(count > 400, `${count} records`);
});

tests.run();
