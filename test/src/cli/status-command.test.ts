import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeMigration, isOver, printAge, toJson } from '../../../src/cli/status-command.ts';
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

test('an age is said in the unit that says enough, and a clock that was set back makes none below zero', () => {
  const said = [-5, 999, 119_000, 120_000, 7_199_000, 7_200_000, 172_799_000, 172_800_000].map(printAge);
  assert.equal(said, ['0 s', '0 s', '119 s', '2 min', '119 min', '2 h', '47 h', '2 d']);
});

test('a range of a founding that is not in force any more is served by nobody', () => {
  const known = [
    { cluster: 'ams', nodes: [], founding: 'a' },
    { cluster: 'old', nodes: [] },
  ];
  const of = (owner: string, founding?: string) =>
    isOver({ lo: '', hi: null, epoch: 1, owner, ...(founding === undefined ? {} : { founding }) }, known);
  assert.equal(
    [of('ams', 'a'), of('ams', 'b'), of('bru', 'b'), of('old'), of('old', 'o')],
    [...[false, true, true, false, false]],
  );
});

test.run();
