/** `nursery rebalance --auto`: what is set by which option, and what people are told. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, FatalError } from '../../../src/base/errors.ts';
import { autoLines, changeOf } from '../../../src/cli/auto-command.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';

const NOTHING = {
  by: undefined,
  begin: undefined,
  threshold: undefined,
  atOnce: undefined,
  coolDown: undefined,
  quiet: undefined,
  rate: undefined,
  perDay: undefined,
};

test('what is not typed stays as it was', () => {
  assert.equal(changeOf({ ...NOTHING, auto: 'on' }), { isOn: true });
  assert.equal(changeOf({ ...NOTHING, auto: 'off' }), { isOn: false });
  const all = { by: 'load', begin: 50, threshold: 20, atOnce: 3, coolDown: 90 } as const;
  assert.equal(changeOf({ ...NOTHING, auto: 'on', ...all, quiet: '22-6', rate: 7, perDay: 8 }), {
    isOn: true,
    by: 'load',
    beginPercent: 50,
    stopPercent: 20,
    movesMax: 3,
    coolDownSeconds: 90,
    quiet: { from: 22, to: 6 },
    rate: 7,
    bytesPerDay: 8,
  });
});

const isUsage = (error: Error): boolean =>
  error instanceof FatalError && error.exitCode === EXIT_CODES.USAGE && /--begin is/.test(error.message);

test('bounds are lifted', () => {
  const change = changeOf({ ...NOTHING, auto: 'on', quiet: 'none', rate: 0, perDay: 0 });
  assert.equal(change, { isOn: true, quiet: null, rate: null, bytesPerDay: null });
  for (const quiet of ['8', '8-', 'night', '8-18-20'])
    assert.throws(() => changeOf({ ...NOTHING, auto: 'on', quiet }), /two hours of the day/);
  for (const quiet of ['24-3', '3-24', '8-8'])
    assert.throws(() => changeOf({ ...NOTHING, auto: 'on', quiet }), /two different hours of 0 to 23/);
  for (const begin of [9, 10])
    assert.throws(() => changeOf({ ...NOTHING, auto: 'on', begin, threshold: 10 }), isUsage);
  assert.equal(changeOf({ ...NOTHING, auto: 'on', begin: 11, threshold: 10 }).beginPercent, 11);
});

test('people are told what is wished, what it does, and why', () => {
  const verdict = { kind: 'off', why: 'it is off' } as const;
  assert.match(
    autoLines({ wish: NO_AUTO, verdict, moves: [], isAttended: null }, [])[0] ?? '',
    /is off, as nobody has wished/,
  );
  const wish = { ...NO_AUTO, number: 2, isOn: true, who: 'me@here', quiet: { from: 8, to: 18 }, rate: 2048 };
  const move = { source: 'ams', target: 'bru', lo: 'k', hi: null };
  const now = { verdict: { kind: 'moves', why: 'ams has 2 times the mean' }, moves: [move] } as const;
  const shown = { wish, ...now, isAttended: true };
  const text = autoLines(shown, []).join('\n');
  assert.not.match(text, /no router/);
  assert.match(
    autoLines({ ...shown, isAttended: false }, []).join('\n'),
    /no router and no migrator .* nursery migrator/,
  );
  assert.equal(autoLines({ ...shown, isAttended: null }, []).join('\n'), text);
  assert.match(text, /is on, by size, as me@here has wished/);
  assert.match(
    text,
    /begins where a cluster has 30 % more than the mean, and goes on until none has 10 % more/,
  );
  assert.match(text, /stays for 60 min; quiet hours: 8-18 UTC/);
  assert.match(text, /now: ams has 2 times the mean\n {2}move .*k.* ams → bru/);
});

test.run();
