/** What operators see where the keeper is gone. */
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('status');

type Seen = {
  readonly keeperSilent?: string;
  readonly map: { readonly version: number; readonly entries: readonly { readonly owner: string }[] };
  readonly clusters: readonly { readonly cluster: string; readonly nodes: readonly { status: unknown }[] }[];
  readonly migrations: readonly unknown[] | null;
};

async function statusOf(lab: Lab, file: string, code: number): Promise<Seen> {
  const asked = lab.start('status', ['status', '--config', file, '--json']);
  const finished = await asked.finished(30_000);
  assert.is(finished.code, code, finished.stderr);
  return JSON.parse(finished.stdout) as Seen;
}

tests.test('status tells what is known without the keeper, and that it is silent', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'status', keeperSize: 1, size: 1 });
  const [ams] = nursery.clusters;
  const owners = ({ map }: Seen): string[] => map.entries.map(({ owner }) => owner);
  const clusters = (seen: Seen): string[] => seen.clusters.map(({ cluster }) => cluster).sort();
  const all = [nursery.keeper, ...nursery.clusters].map(({ id }) => id).sort();

  const whole = await statusOf(lab, nursery.file, EXIT_CODES.OK);
  assert.equal([owners(whole), clusters(whole), whole.migrations], [[ams.id], all, []]);
  assert.is(whole.keeperSilent, undefined);

  await nursery.keeper.killAll();
  const heard = await statusOf(lab, nursery.file, EXIT_CODES.KEEPER_SILENT);
  assert.match(heard.keeperSilent ?? '', nursery.keeper.id);
  assert.equal([owners(heard), clusters(heard), heard.migrations], [[ams.id], all, null]);
  for (const { cluster, nodes } of heard.clusters) {
    for (const { status } of nodes) assert.is(status === null, cluster === nursery.keeper.id, cluster);
  }

  const alone = await statusOf(lab, ams.file, EXIT_CODES.KEEPER_SILENT);
  assert.equal([owners(alone), clusters(alone)], [[], [ams.id, nursery.keeper.id].sort()]);
});

tests.test('a migration whose migrator is dead: status says so, and what goes on with it', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'orphan', keeperSize: 1, size: 1 });
  const [, bru] = nursery.clusters;
  await bru.killAll(); // so that it is never at its end
  const migrator = nursery.start(['migrate', '--range', 'k..', '--to', bru.id]);
  const status = async (): Promise<string> => (await nursery.run(['status'])).stdout;
  await until('the migration to be open', async () => (await status()).includes('migrations: 1 open'));
  assert.not.match(await status(), 'no migrator has noted progress');
  const wait = `waiting for target ${bru.id}`;
  await until('its wait to be seen', async () => (await status()).includes(`, ${wait}`));
  await migrator.kill();
  const text = await until('the keeper to notice', async () => {
    const seen = await status();
    return seen.includes('no migrator has noted progress') ? seen : null;
  });
  assert.match(
    text,
    /^ {4}! migration \d+: no migrator has noted progress for \d+ s; nursery migrate --config FILE --resume/m,
  );
  assert.match(text, `, when last heard of ${wait}`);
  const mid = /migration (\d+): no migrator/.exec(text)?.[1] as string;
  const paused = await nursery.succeed(['migrate', '--pause', mid]);
  assert.is(paused.stdout, `migration ${mid}: pause wanted, and no migrator works on it\n`);
  bru.startAll();
  await Promise.all([
    nursery.succeed(['migrate', '--continue', mid]),
    nursery.succeed(['migrate', '--resume']),
  ]);
  const late = await nursery.run(['migrate', '--continue', mid]);
  assert.is(late.stderr, `nursery: REFUSED: cannot continue: migration ${mid} is done\n`);
  assert.not.match(await status(), 'no migrator has noted progress');
});

tests.run();
