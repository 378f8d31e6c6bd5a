import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeMigration, toJson } from '../../../src/cli/status-command.ts';
import { type Migration, NO_PROGRESS } from '../../../src/protocol/admin/migration.ts';

function migration(stage: string, waitingFor: string): Migration {
  return {
    mid: 7,
    source: 'ams',
    target: 'bru',
    lo: 'k',
    hi: null,
    phase: 'active',
    token: 1,
    heartbeat: 2,
    wish: stage === 'paused' ? 'pause' : 'run',
    why: '',
    progress: { ...NO_PROGRESS, stage, waitingFor },
    receipt: null,
  };
}

const waitingForOf = (of: Migration): string =>
  (toJson(of) as { readonly progress: { readonly waitingFor: string } }).progress.waitingFor;

test('whom a move waits for is said, in words and for scripts', () => {
  const waiting = migration('copying', 'bru for 12 s');
  assert.match(describeMigration(waiting, false), /, waiting for bru for 12 s$/);
  assert.match(describeMigration(waiting, true), /, when last heard of waiting for bru for 12 s$/);
  assert.is(waitingForOf(waiting), 'bru for 12 s');
});

test('one that is paused waits for nobody, whomever it had asked before', () => {
  const paused = migration('paused', 'bru for 12 s');
  assert.not.match(describeMigration(paused, false), /waiting/);
  assert.is(waitingForOf(paused), '');
});

test.run();
