/** That its founding is over a home remembers: of that founding alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OverForEver } from '../../../node/identity/over.ts';
import { noteOver, refuseOver } from '../../../node/life/over.ts';
import { SILENT } from '../../../src/process/log.ts';

const tests = suite<{ home: string }>('a home whose founding is over');
const FOUNDING = 'a'.repeat(32);

tests.before.each((context) => {
  context.home = mkdtempSync(join(tmpdir(), 'nursery-over-'));
});
tests.after.each(({ home }) => rmSync(home, { recursive: true, force: true }));

function of(founding: string) {
  return { members: { cluster: founding, members: [], superseded: [] }, founded: null };
}

tests('what its keeper has said it says at each start, with what to do', ({ home }) => {
  refuseOver(home, of(FOUNDING));
  noteOver(home, new OverForEver(FOUNDING, 'founding b took its place by order 5', home), SILENT);
  let why = '';
  try {
    refuseOver(home, of(FOUNDING));
  } catch (error) {
    assert.ok(error instanceof OverForEver);
    assert.is(error.founding, FOUNDING);
    why = error.message;
  }
  assert.match(
    why,
    /^founding b took its place by order 5 \(as its keeper has told this home before\)\. This home/,
  );
});

tests('it counts for no other founding, nor for a home that was emptied but for that file', ({ home }) => {
  noteOver(home, new OverForEver(FOUNDING, 'over', home), SILENT);
  refuseOver(home, of('b'.repeat(32)));
  refuseOver(home, { members: null, founded: null });
});

tests('that there is no room, or no home any more, keeps nobody from stopping', ({ home }) => {
  const warned: string[] = [];
  const logger = { ...SILENT, warn: (_facts: object, message: string) => warned.push(message) };
  noteOver(join(home, 'gone'), new OverForEver(FOUNDING, 'over', home), logger);
  assert.match(warned.join(), /could not be noted/);
});

tests.run();
