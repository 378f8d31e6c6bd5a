/** What a keeper notes of those who introduce themselves to it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Callers, REFUSAL_SHOWN_MS } from '../../../node/identity/callers.ts';
import { Notes } from '../../../node/serve/notes.ts';
import type { Standing } from '../../../src/identity/founding.ts';
import { SILENT } from '../../../src/process/log.ts';
import { KEEPER, LIFE } from './meeting.ts';

const tests = suite('what a keeper notes of its callers');

function said(verdict: Standing['verdict'], more: Partial<Standing> = {}): Standing {
  const nobody = { version: 0, members: [], presences: [] };
  return { verdict, why: 'it is another one', keeper: KEEPER, isNew: false, ...nobody, ...more };
}

tests('what it has refused, and from where that came, for a minute; no empty home that waits', () => {
  let nowMs = 0;
  const notes = new Notes(SILENT, () => nowMs);
  const callers = new Callers(notes);
  for (const verdict of ['inForce', 'free', 'notKeeper'] as const)
    callers.noteRefusal({ cluster: 'ams', founding: LIFE }, '10.0.0.1', said(verdict));
  callers.noteRefusal({ cluster: 'ams', founding: '' }, '10.0.0.1', said('taken'));
  assert.equal(notes.all, []);
  for (const verdict of ['taken', 'unfit', 'dead', 'foreign'] as const) {
    const cluster = `ams-${verdict}`;
    callers.noteRefusal({ cluster, founding: LIFE }, '10.0.0.1', said(verdict));
    const wanted = `refused founding ${LIFE} of cluster ${cluster}, which a connection from 10.0.0.1 introduced: it is another one`;
    assert.ok(notes.all.includes(wanted), notes.all.join('\n'));
  }
  nowMs = REFUSAL_SHOWN_MS;
  assert.is(notes.all.length, 4);
  nowMs += 1;
  assert.equal(notes.all, []);
});

tests('a life that speaks from two places, and whether one of them is refused', () => {
  const notes = new Notes(SILENT, () => 0);
  const callers = new Callers(notes);
  const life = { node: 'a', incarnation: LIFE, learner: false, ips: ['10.0.0.1'], port: 4000, label: '' };
  const claimed = (refused: boolean): Standing => {
    const claim = { process: 'p', ips: ['10.0.0.2'], port: 4001, refused };
    return said('inForce', { members: [life], presences: [{ node: 'a', claim }] });
  };
  const who = { cluster: 'ams', node: 'a' };
  callers.noteClaim(who, said('inForce', { members: [life], presences: [{ node: 'a', claim: null }] }));
  callers.noteClaim({ ...who, node: 'b' }, claimed(false));
  assert.equal(notes.all, []);
  callers.noteClaim(who, claimed(false));
  assert.match(notes.all.join(), /known at 10\.0\.0\.1 port 4000, claims to be at 10\.0\.0\.2 port 4001/);
  callers.noteClaim(who, claimed(true));
  assert.is(notes.all.length, 1);
  assert.match(
    notes.all.join(),
    /runs twice.*from a copy of its home at 10\.0\.0\.2 port 4001, which is ref/,
  );
});

tests.run();
