/** The last lines of a log: all levels, as many as are said, text only when it is asked for; old files go. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LAST_LINES, LastLines, writeLastLines } from '../../../src/process/last-lines.ts';
import { openLogFile, SILENT } from '../../../src/process/log.ts';

type Line = { readonly [key: string]: unknown };

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

test('the newest are kept, of every level, the oldest first', () => {
  let nowMs = 0;
  const last = new LastLines(() => nowMs);
  const logger = last.keeping(SILENT);
  for (let n = 0; n < LAST_LINES + 7; n += 1) {
    nowMs = n;
    logger[(['debug', 'info', 'warn', 'error'] as const)[n % 4] as 'debug']({ n }, 'line');
  }
  const lines = linesOf(last.text({ node: 'ams_0' }));
  assert.is(lines.length, LAST_LINES);
  assert.equal(lines[0], {
    level: 'error',
    time: '1970-01-01T00:00:00.007Z',
    node: 'ams_0',
    n: 7,
    msg: 'line',
  });
  assert.is(lines.at(-1)?.['n'], LAST_LINES + 6);
});

test('nothing becomes text before somebody asks', () => {
  const last = new LastLines(() => 0);
  let asked = 0;
  const facts = {
    toJSON: () => {
      asked += 1;
      return 'text';
    },
  };
  last.keeping(SILENT).debug({ facts, error: new Error('why'), big: 3n }, 'line');
  assert.is(asked, 0);
  assert.equal(linesOf(last.text({}))[0], {
    level: 'debug',
    time: '1970-01-01T00:00:00.000Z',
    facts: 'text',
    error: 'why',
    big: '3',
    msg: 'line',
  });
});

test('a log file of level error leaves lines of level debug; ten files stay', () => {
  const folder = mkdtempSync(join(tmpdir(), 'last-lines-'));
  const file = openLogFile(folder, 'n', 'error', { node: 'n' });
  file.logger.debug({ fact: 1 }, 'unseen');
  const written = file.writeLast();
  assert.ok('path' in written);
  assert.is(linesOf(readFileSync('path' in written ? written.path : '', 'utf8'))[0]?.['msg'], 'unseen');
  assert.not.match(readFileSync(join(folder, 'n.log'), 'utf8'), 'unseen');
  for (let n = 0; n < 15; n += 1) writeLastLines(folder, 'n', `${n}`, n * 1000);
  const kept = readdirSync(folder).filter((name) => name.includes('.last-'));
  assert.is(kept.length, 10);
  rmSync(folder, { recursive: true });
  assert.ok('why' in file.writeLast(), 'what cannot be written is said');
});

test.run();
