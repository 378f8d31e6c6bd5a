/** Exports as an operator uses them: a range as text, out of a nursery and back, whole or not at all. */
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { NurseryClient } from '../../src/client/nursery-client.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { shell } from '../support/shell.ts';

const tests = labSuite('exports');
const KEYS = 2500;
const BINARY = Buffer.from('00ff0a0d2028', 'hex');
let shared: Promise<{ nursery: TestNursery; client: NurseryClient }> | null = null;

/** Keys below `k` belong to `e-ams`, the others to `e-bru`: an export through the router has both. */
function begun(lab: Lab): Promise<{ nursery: TestNursery; client: NurseryClient }> {
  shared ??= (async () => {
    const nursery = await TestNursery.start(lab, { prefix: 'e', keeperSize: 1, size: 1 });
    await nursery.succeed(['migrate', 'e-ams', 'k', 'e-bru']);
    const client = await NurseryClient.connect({ addresses: [`127.0.0.1:${nursery.routerPort}`] });
    lab.closing(() => client.close());
    for (const half of ['a', 'z']) {
      const keys = Array.from({ length: KEYS / 2 }, (_, index) => `${half}${String(index).padStart(5, '0')}`);
      await client.sequence(keys.map((key) => ({ kind: 'set' as const, key, value: `value of ${key}` })));
    }
    await client.set('b-binary', BINARY);
    await client.set('y-empty', '');
    return { nursery, client };
  })();
  return shared;
}

async function said(nursery: TestNursery, args: readonly string[]): Promise<string> {
  return (await nursery.succeed(args)).stdout.trim();
}

tests.test('what was deleted since comes back; what has another value by now keeps it', async (lab) => {
  const { nursery, client } = await begun(lab);
  const file = join(lab.dir, 'all');
  assert.is(await said(nursery, ['export', '--to', file]), `${KEYS + 2} keys are in ${file}`);
  assert.is(statSync(file).mode & 0o777, 0o600, 'values may be secrets');
  await client.delete('a00007');
  await client.delete('b-binary');
  await client.delete('z00007');
  await client.set('a00008', 'newer');

  const dry = await said(nursery, ['import', '--from', file, '--dry-run']);
  assert.is(dry, `3 keys would be stored, ${KEYS - 2} were there, 1 have another value and keep it`);
  assert.is(await client.exists('a00007'), false);
  const one = await said(nursery, ['import', '--from', file, '--key', 'a00007']);
  assert.is(one, '1 keys stored, 0 were there');
  assert.is((await client.get('a00007')).toString(), 'value of a00007');
  const range = await said(nursery, ['import', '--from', file, '--range', 'b..c', '--json']);
  assert.equal(JSON.parse(range), { stored: 1, same: 0, other: 0, dryRun: false });
  assert.equal(await client.get('b-binary'), BINARY);
  const rest = await said(nursery, ['import', '--from', file]);
  assert.is(rest, `1 keys stored, ${KEYS} were there, 1 have another value and keep it`);
  assert.is((await client.get('z00007')).toString(), 'value of z00007');
  assert.is((await client.get('a00008')).toString(), 'newer');
  const all = await said(nursery, ['import', '--from', file, '--overwrite']);
  assert.is(all, `1 keys stored, ${KEYS + 1} were there`);
  assert.is((await client.get('a00008')).toString(), 'value of a00008');
});

tests.test('out of a backup, an image or another export: nobody has to be up', async (lab) => {
  const { nursery, client } = await begun(lab);
  const backup = join(lab.dir, 'monday');
  await nursery.succeed(['backup', '--all', '--to', backup]);
  await client.delete('z00003');
  const out = (...args: string[]) => lab.run(['export', ...args]);
  const one = await out('--from', backup, '--key', 'z00003', '--to', '-');
  assert.is(one.code, 0, one.stderr);
  assert.is(one.stdout.split('\n')[1], '{"key":"z00003","value":"value of z00003"}');
  const missing = await out('--from', backup, '--key', 'z99999', '--to', '-');
  assert.is(missing.code, EXIT_CODES.NOT_FOUND, missing.stderr);
  assert.is(missing.stdout, '', 'no export of nothing');
  const part = join(lab.dir, 'part');
  assert.is((await out('--from', backup, '--range', 'a00001..z00004', '--to', part)).code, 0);
  const again = join(lab.dir, 'again');
  const narrower = await out('--from', part, '--range', 'z..z00004', '--to', again, '--json');
  assert.equal(JSON.parse(narrower.stdout), { file: again, entries: 4 });
  assert.is(await said(nursery, ['import', '--from', again]), '1 keys stored, 3 were there');
  const wide = await out('--from', part, '--range', 'a..b', '--to', join(lab.dir, 'wide'));
  assert.is(wide.code, EXIT_CODES.REFUSED, wide.stderr);
  assert.match(wide.stderr, /says nothing of \[a\.\.a00001\)/);
  const [image] = readdirSync(backup).filter((name) => name.startsWith('e-bru')) as [string];
  const whole = await out('--from', join(backup, image), '--to', join(lab.dir, 'whole'));
  assert.is(whole.code, EXIT_CODES.REFUSED, whole.stderr);
  const theirs = await out('--from', join(backup, image), '--range', 'k..', '--to', '-');
  assert.is(theirs.code, 0, theirs.stderr);
  const damaged = join(lab.dir, 'damaged');
  writeFileSync(damaged, readFileSync(part, 'utf8').replace('value of z00003', 'value of z00004'));
  const wrong = await out('--from', damaged, '--key', 'z00003', '--to', '-');
  assert.is(wrong.code, EXIT_CODES.USAGE, wrong.stderr);
  assert.is(wrong.stdout, '');
  assert.is((await out('--to', '-')).code, EXIT_CODES.USAGE, 'from nowhere');
});

tests.test('through pipes, and from one range alone', async (lab) => {
  const { nursery, client } = await begun(lab);
  const piped = await shell(
    'nursery export --config "$CONFIG" --range y..y. --to - | nursery import --config "$CONFIG" --from - --json',
    nursery.file,
  );
  assert.is(piped.code, 0, piped.stderr);
  assert.equal(JSON.parse(piped.stdout), { stored: 0, same: 1, other: 0, dryRun: false });
  await client.delete('y-empty');
  const substituted = await shell(
    'nursery export --config "$CONFIG" --range a..a00002 --to - > few; nursery import --config "$CONFIG" --from <(cat few)',
    nursery.file,
  );
  assert.match(substituted.stdout, /^0 keys stored, 2 were there$/m, substituted.stderr);
  await client.set('y-empty', '');
});

tests.test('an export that is not whole stores nothing', async (lab) => {
  const { nursery, client } = await begun(lab);
  const file = join(lab.dir, 'whole');
  await nursery.succeed(['export', '--to', file, '--range', 'a..b']);
  await client.delete('a00001');
  const bytes = readFileSync(file);
  const cut = join(lab.dir, 'cut');
  writeFileSync(cut, bytes.subarray(0, bytes.length - 200));
  const changed = join(lab.dir, 'changed');
  writeFileSync(changed, bytes.toString('utf8').replace('value of a00003', 'value of a00004'));
  for (const [name, why] of [
    [cut, /line \d+: it (is no JSON object|ends here without its last line.*); nothing was imported/],
    [changed, /line \d+: the sum is another one: something above was changed; nothing was imported/],
  ] as const) {
    const { code, stderr } = await nursery.run(['import', '--from', name]);
    assert.is(code, EXIT_CODES.USAGE, stderr);
    assert.match(stderr, why);
    assert.is(await client.exists('a00001'), false, 'nothing was stored');
  }
  await nursery.succeed(['import', '--from', file]);
});

tests.test('a file that is there, or cannot be written or read, and a full disk', async (lab) => {
  const { nursery } = await begun(lab);
  const file = join(lab.dir, 'taken');
  writeFileSync(file, 'precious');
  const taken = await nursery.run(['export', '--to', file]);
  assert.is(taken.code, EXIT_CODES.HOME_UNUSABLE);
  assert.match(taken.stderr, /is there already: name another file, or remove it/);
  assert.is(readFileSync(file, 'utf8'), 'precious');
  const nowhere = await nursery.run(['export', '--to', join(lab.dir, 'no', 'such', 'folder')]);
  assert.is(nowhere.code, EXIT_CODES.HOME_UNUSABLE, nowhere.stderr);
  const missing = await nursery.run(['import', '--from', join(lab.dir, 'missing')]);
  assert.is(missing.code, EXIT_CODES.USAGE, missing.stderr);
  assert.match(missing.stderr, /missing/);
  const folder = await nursery.run(['import', '--from', lab.dir]);
  assert.is(folder.code, EXIT_CODES.USAGE, folder.stderr);
  assert.match(folder.stderr, /backup\.json: it is not there: this is no backup/);
  const full = await shell(
    'trap "" XFSZ; ulimit -f 64; nursery export --config "$CONFIG" --to short; code=$?; ls; exit $code',
    nursery.file,
  );
  assert.is(full.code, EXIT_CODES.HOME_UNUSABLE, full.stderr);
  assert.not.match(full.stdout, /^short/m, 'an export that is not whole has no name');
  const output = await shell('nursery export --config "$CONFIG" --to - > /dev/full', nursery.file);
  assert.is(output.code, EXIT_CODES.OUTPUT_FAILED, output.stderr);
});

tests.test(
  'two exports to one file, and what comes there meanwhile: one is whole, nothing is replaced',
  async (lab) => {
    const { nursery } = await begun(lab);
    const file = join(lab.dir, 'twice');
    const halves = ['..k', 'k..'].map((range) => nursery.run(['export', '--range', range, '--to', file]));
    const codes = (await Promise.all(halves)).map(({ code }) => code).sort();
    assert.equal(codes, [0, EXIT_CODES.HOME_UNUSABLE]);
    await nursery.succeed(['import', '--from', file, '--dry-run']);
    const nothing = join(lab.dir, 'nothing');
    symlinkSync(join(lab.dir, 'nowhere'), nothing);
    assert.is(
      (await nursery.run(['export', '--to', nothing])).code,
      EXIT_CODES.HOME_UNUSABLE,
      'a link is there',
    );
    const left = readdirSync(lab.dir).filter((name) => name.startsWith('.nursery-unfinished-'));
    assert.equal(left, [], 'nothing is left beside them');
  },
);

tests.test(
  'a key that the export does not have, names that are none, and a copy that dies with its process',
  async (lab) => {
    const { nursery } = await begun(lab);
    const file = join(lab.dir, 'few');
    await nursery.succeed(['export', '--range', 'a..b', '--to', file]);
    const missing = await nursery.run(['import', '--from', file, '--key', 'apple']);
    assert.is(missing.code, EXIT_CODES.NOT_FOUND);
    assert.match(missing.stderr, /the export does not hold the key apple/);
    for (const args of [
      ['export', '--to', ''],
      ['import', '--from', ''],
    ]) {
      assert.is((await nursery.run(args)).code, EXIT_CODES.USAGE, args.join(' '));
    }
    const killed = await shell(
      `export TMPDIR="$PWD"; (cat "${file}"; sleep 3) | nursery import --config "$CONFIG" --from - > /dev/null & ` +
        'until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q "$PWD/nursery-import-.*deleted"; do sleep 0.1; done; ls; wait',
      nursery.file,
    );
    assert.is(killed.stdout, '', 'the copy has no name');
  },
);

tests.test('a cluster without a router, and a part of the keys of another', async (lab) => {
  const { nursery } = await begun(lab);
  const [ams] = nursery.clusters;
  const file = join(lab.dir, 'of-ams');
  const { code, stderr } = await lab.run(['export', '--config', ams.file, '--range', 'a..b', '--to', file]);
  assert.is(code, 0, stderr);
  assert.ok(existsSync(file));
  copyFileSync(file, `${file}-2`);
  const other = await lab.run(['export', '--config', ams.file, '--to', join(lab.dir, 'too-much')]);
  assert.is(other.code, EXIT_CODES.REFUSED, 'what the cluster does not own is no part of its export');
  assert.not.ok(existsSync(join(lab.dir, 'too-much')));
});

tests.run();
