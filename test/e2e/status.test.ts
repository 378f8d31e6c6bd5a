/** What operators see, and which exit code follows, in each way in which a nursery can be unwell. */
import { readFileSync, writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { gather } from '../../src/cli/status/gather.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { judge } from '../../src/health/findings.ts';
import { type AdminAnswer, type AdminCommand, PAGE_COPY } from '../../src/protocol/admin/admin.ts';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Finished, type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('status');
/** It answers within two seconds; on a machine that runs other tests beside it is given its start, as measured, and this (ms). */
const ANSWERED_MS = 2000;
const SLOW_MS = 1500;

type Seen = {
  readonly verdict: { readonly state: string; readonly words: string; readonly exitCode: number };
  readonly findings: readonly {
    readonly kind: string;
    readonly since: { readonly by: string } | null;
    readonly todo: string | null;
    readonly command: string | null;
  }[];
  readonly keeperSilent?: string;
  readonly map: { readonly version: number; readonly entries: readonly { readonly owner: string }[] } | null;
  readonly clusters: readonly { readonly cluster: string; readonly nodes: readonly { status: unknown }[] }[];
  readonly migrations: readonly unknown[] | null;
};

async function statusOf(lab: Lab, file: string, code: number): Promise<Seen> {
  const asked = lab.start('status', ['status', '--config', file, '--json']);
  const finished = await asked.finished(30_000);
  assert.is(finished.code, code, finished.stdout + finished.stderr);
  const seen = JSON.parse(finished.stdout) as Seen;
  assert.is(seen.verdict.exitCode, code);
  return seen;
}

function kindsOf({ findings }: Seen): string[] {
  return findings.map(({ kind }) => kind);
}

/** Status and body of what is asked over HTTP. */
async function over(port: number, path: string): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5000) });
  return [response.status, await response.text()];
}

/** What status says that is to be typed, as it says it. */
function typed({ stdout }: Finished): string[] {
  const [, command] = /^ {4}type: nursery (.*)$/m.exec(stdout) ?? [];
  if (command === undefined) throw new Error(`nothing is to be typed: ${stdout}`);
  return command.split(' ');
}

tests.test('status tells what is known without the keeper, and that it is silent', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'status', keeperSize: 1, size: 1 });
  const [ams, bru] = nursery.clusters;
  const owners = ({ map }: Seen): string[] => map?.entries.map(({ owner }) => owner) ?? [];
  const clusters = (seen: Seen): string[] => seen.clusters.map(({ cluster }) => cluster).sort();
  const all = [nursery.keeper, ...nursery.clusters].map(({ id }) => id).sort();

  await nursery.succeed(['status', '--wait', 'healthy', '--timeout', '30']);
  const whole = await statusOf(lab, nursery.file, EXIT_CODES.OK);
  assert.equal([owners(whole), clusters(whole), whole.migrations], [[ams.id], all, []]);
  assert.equal([whole.keeperSilent, whole.verdict.state], [undefined, 'healthy']);
  const text = (await nursery.succeed(['status'])).stdout;
  assert.match(text, /^healthy: 1 cluster of 3 serves 1 range\n/);
  assert.match(text, /^ {2}router {2}status-router {2}from \S*127\.0\.0\.1 {2}connected for \d+ s$/m);

  const [, metrics] = await over(nursery.routerPort, '/metrics');
  assert.match(metrics, /^nursery_router_is_serving 1$/m);
  assert.is((await over(nursery.routerPort, '/readyz'))[0], 200);

  // One that owns nothing is no danger to any key.
  await bru.killAll();
  const less = await statusOf(lab, nursery.file, EXIT_CODES.AT_RISK);
  assert.equal(kindsOf(less), ['clusterSilent']);

  await nursery.keeper.killAll();
  const heard = await statusOf(lab, nursery.file, EXIT_CODES.KEEPER_SILENT);
  assert.match(heard.keeperSilent ?? '', nursery.keeper.id);
  assert.equal([owners(heard), clusters(heard), heard.migrations], [[ams.id], all, null]);
  for (const { cluster, nodes } of heard.clusters) {
    for (const { status } of nodes) assert.is(status === null, cluster !== ams.id, cluster);
  }

  const alone = await statusOf(lab, ams.file, EXIT_CODES.KEEPER_SILENT);
  assert.equal([owners(alone), clusters(alone)], [[], [ams.id, nursery.keeper.id].sort()]);
  // Those who are missed know since when.
  await until('the node to miss its keeper', async () => {
    const { findings } = await statusOf(lab, ams.file, EXIT_CODES.KEEPER_SILENT);
    return findings[0]?.since?.by === `${ams.id}_0`;
  });

  // The keeper's own file leads to nobody else.
  const own = await statusOf(lab, nursery.keeper.file, EXIT_CODES.NOT_SERVING);
  assert.equal(kindsOf(own), ['keeperSilent']);
  assert.is(
    own.findings[0]?.command,
    `nursery node --config ${nursery.keeper.file} --node ${nursery.keeper.id}_0`,
  );
  const { stdout } = await lab.run(['status', '--config', nursery.keeper.file]);
  assert.match(
    stdout,
    /^not serving: the keeper, cluster [^:]* leads to no other cluster, so nobody here can/,
  );
  assert.match(stdout, /^which routers and migrators are connected to the keeper is not known/m);

  // Connected, and silent: nobody closes anything.
  for (const { name } of ams.nodes) ams.process(name).signal('SIGSTOP');
  nursery.router.signal('SIGSTOP');
  const startMs = performance.now();
  await lab.run(['--version']);
  const beganMs = performance.now();
  // Nobody can say what its cluster owns: that is not nothing.
  const silent = await statusOf(lab, ams.file, EXIT_CODES.NOT_SERVING);
  // Nor through a router that says nothing.
  const blind = await statusOf(lab, nursery.file, EXIT_CODES.NOT_SERVING);
  assert.equal(kindsOf(blind), ['keeperSilent', 'routerSilent']);
  const tookMs = (performance.now() - beganMs) / 2;
  console.log(`with everybody frozen status took ${Math.round(tookMs)} ms`);
  const limitMs = ANSWERED_MS + (beganMs - startMs) + SLOW_MS;
  assert.ok(tookMs < limitMs, `${tookMs} ms, where ${limitMs} are given`);
  assert.equal(kindsOf(silent).sort(), ['clusterSilent', 'keeperSilent']);
  // Who hangs is in the way of another process with its home, or its port; who is dead is not.
  const hanging = [...silent.findings, ...blind.findings].filter(({ kind }) => kind !== 'keeperSilent');
  for (const { todo, command } of hanging) {
    assert.match(todo ?? '', /may hang: let its process go on \(kill -CONT PID\), or end it first/);
    assert.not.match(todo ?? '', /empty home|rescue/);
    assert.is(command, null);
  }
  const dead = blind.findings.find(({ kind }) => kind === 'keeperSilent');
  assert.match(
    dead?.todo ?? '',
    /^start status-keeper_0, on its machine, with its home: .*nursery rescue keeper$/,
  );
});

tests.test('one who is held up himself says of nobody that he does not answer', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'held', keeperSize: 1, size: 1 });
  const [ams] = nursery.clusters;
  for (const { name } of nursery.keeper.nodes) nursery.keeper.process(name).signal('SIGSTOP');
  const saidOf = async (fromMs: number, toMs: number): Promise<string[]> => {
    const beganMs = performance.now();
    setTimeout(() => {
      while (performance.now() - beganMs < toMs); // no turn of the event loop meanwhile
    }, fromMs);
    const facts = await gather(nursery.file);
    return judge(facts).findings.map(({ kind, subject }) => `${kind} ${subject}`);
  };
  // The router names the clusters at once, so that their nodes are asked while the keeper is waited for.
  const early = await saidOf(600, 1900);
  assert.not.ok(early.includes(`clusterSilent ${ams.id}`), early.join());
  // Here nobody had time.
  const never = await saidOf(0, 2000);
  assert.ok(never.includes(`notAsked ${nursery.keeper.id}`), never.join());
  assert.not.ok(
    never.some((each) => each.includes('Silent')),
    never.join(),
  );
});

tests.test('a migration whose migrator is dead: status says so, and what goes on with it', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'orphan', keeperSize: 1, size: 1 });
  const [, bru] = nursery.clusters;
  await bru.killAll(); // so that it is never at its end
  const migrator = nursery.start(['migrate', '--range', 'k..', '--to', bru.id]);
  const status = async (): Promise<string> => (await nursery.run(['status'])).stdout;
  await until('the migration to be open', async () => (await status()).includes('migrations: 1 open'));
  assert.not.match(await status(), 'no migrator works on');
  const wait = `waiting for target ${bru.id}`;
  await until('its wait to be seen', async () => (await status()).includes(`, ${wait}`));
  await migrator.kill();
  const seen = await until('the keeper to notice', async () => {
    const finished = await nursery.run(['status']);
    return finished.stdout.includes('no migrator works on') ? finished : null;
  });
  assert.is(seen.code, EXIT_CODES.AT_RISK);
  assert.match(
    seen.stdout,
    /^! no migrator works on migration \d+, .*\n {4}since .* for \d+ s, by the clock of orphan-keeper_0\n/m,
  );
  assert.match(seen.stdout, `, when last heard of ${wait}`);
  const mid = /no migrator works on migration (\d+)/.exec(seen.stdout)?.[1] as string;
  const paused = await nursery.succeed(['migrate', '--pause', mid]);
  assert.is(paused.stdout, `migration ${mid}: pause wanted, and no migrator works on it\n`);
  const held = await nursery.run(['status']);
  assert.match(
    held.stdout,
    /^- migration \d+, .* is paused by an operator; no migrator works on it either$/m,
  );
  assert.not.match(held.stdout, /^! no migrator/m);
  assert.equal(typed(held).slice(0, 3), ['migrate', '--continue', mid]);
  bru.startAll();
  const [continued] = await Promise.all([lab.run(typed(held)), lab.run(typed(seen))]);
  assert.is(continued.code, EXIT_CODES.OK, continued.stderr);
  const late = await nursery.run(['migrate', '--continue', mid]);
  assert.is(late.stderr, `nursery: REFUSED: cannot continue: migration ${mid} is done\n`);
  const after = await nursery.succeed(['status', '--wait', 'healthy', '--timeout', '30']);
  assert.match(after.stdout, /^healthy: /);
});

tests.test(
  'a range that is sealed, and nobody works on it: what status says to type mends it',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'seal', keeperSize: 1, size: 1 });
    const names = (head: string, count: number): string[] =>
      Array.from({ length: count }, (_, at) => `${head}${String(at).padStart(4, '0')}`);
    await nursery.fill([...names('a', 150), ...names('p', 250)], 'v'.repeat(10));
    await countsAre(nursery, [['', 400, 400 * 15]]);
    await sealAndDie(lab, nursery);
    const seen = await until('status to say it', async () => {
      const finished = await nursery.run(['status']);
      return finished.code === EXIT_CODES.NOT_SERVING && finished.stdout.includes('no migrator works on that')
        ? finished
        : null;
    });
    assert.match(
      seen.stdout,
      /^not serving: nobody serves \[k\.\.end\): it is sealed for migration 2, seal-ams → seal-bru, and no migrator works on that\n/,
    );
    assert.match(seen.stdout, /^ {4}since .*, by the clock of seal-ams_0$/m);
    const mended = await lab.run(typed(seen));
    assert.is(mended.code, EXIT_CODES.OK, mended.stderr);
    await nursery.succeed(['status', '--wait', 'healthy', '--timeout', '30']);
    const [, bru] = nursery.clusters;
    assert.is((await nursery.owners()).get('k'), bru.id);
    // Nothing is counted anew: the target has counted what came, the source what went.
    const moved = [
      ['', 150, 150 * 15],
      ['k', 250, 250 * 15],
    ] as const;
    await countsAre(nursery, moved);
    const { stdout } = await nursery.succeed(['status']);
    assert.match(stdout, /^ {2}\[k\.\.end\) +seal-bru {2}epoch \d+ {2}250 keys, 3\.7 KiB, \d+ s ago$/m);
    await bru.killAll();
    bru.startAll();
    await countsAre(nursery, moved);
    const said = async (...args: string[]): Promise<string> => (await nursery.succeed(args)).stdout;
    assert.match(
      await said('migrations'),
      /^migrations on record: 1, of which open: 0\n {2}2 {2}done {2}\[k\.\.end\) {2}seal-ams → seal-bru {2}\d+ keys, pause/,
    );
    assert.match(
      await said('history', 'p1'),
      /^ {2}seal-ams {2}before that .*\n {2}seal-bru {2}since epoch 2 {2}by migration 2, with \[k\.\.end\)\n$/,
    );
    const dry = await said('forget-migrations', '--dry-run', '--keep', '0');
    assert.is(dry, 'migrations that would be forgotten: 1\n');
    const forgotten = await said('forget-migrations', '--keep', '0');
    assert.is(forgotten, 'migrations that are forgotten: 1\n');
    assert.match(await said('history', 'p1'), /^ {2}seal-bru {2}since epoch 2 {2}as the map says/);
  },
);

tests.test(
  'a cluster without a majority, in no nursery: who is missing, since when, and no word of a keeper',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'three' });
    const [first, second] = cluster.nodes.map(({ name }) => name) as [string, string];
    const well = await lab.run(['status', '--config', cluster.file, '--wait', 'healthy', '--timeout', '30']);
    assert.is(well.code, EXIT_CODES.OK, well.stderr);
    assert.match(well.stdout, /^healthy: cluster three serves\n/);
    const port = cluster.nodes[2]?.clientPort as number;
    assert.equal(await over(port, '/healthz'), [200, 'alive\n']);
    assert.equal(await over(port, '/readyz'), [200, '{"ok":true,"why":""}\n']);
    const [, metrics] = await over(port, '/metrics');
    for (const wanted of [
      /^nursery_node_is_serving 1$/m,
      /^nursery_node_slot\{of="applied"\} [1-9]\d*$/m,
      /^nursery_conditions\{kind="noMaster"\} 0$/m,
      /^nursery_request_seconds_count\{operation="\w+",outcome="ok"\} [1-9]/m,
    ])
      assert.match(metrics, wanted);
    // Whoever is master hands that over, and may be stopped then; and nobody else while one is away.
    const node = (word: string, name: string): Promise<Finished> =>
      lab.run(['node', word, '--config', cluster.file, '--node', name]);
    const master = await cluster.master();
    const safe = await node('safe-to-stop', master);
    assert.is(safe.code, EXIT_CODES.OK, safe.stderr);
    assert.match(
      safe.stdout,
      /^three_\d may be stopped; it is the master, and nursery node drain .*; meanwhile no other may fail$/m,
    );
    const drained = await node('drain', master);
    assert.is(drained.code, EXIT_CODES.OK, drained.stderr);
    assert.match(drained.stdout, new RegExp(`^three_\\d is master; ${master} may be stopped\n$`));
    assert.not.match(drained.stdout, `${master} is master`);
    await cluster.process(first).kill();
    const unsafe = await until('it to be missed', async () => {
      const finished = await node('safe-to-stop', second);
      const isKnown = finished.stderr.includes('would be left');
      return finished.code === EXIT_CODES.REFUSED && isKnown ? finished : null;
    });
    assert.match(unsafe.stderr, /do not stop three_1: without three_1 1 of 3 members of three would be left/);
    const risky = await until('a master that misses it', async () => {
      const finished = await lab.run(['status', '--config', cluster.file]);
      return finished.code === EXIT_CODES.AT_RISK && finished.stdout.includes('by the clock of')
        ? finished
        : null;
    });
    assert.match(
      risky.stdout,
      /^at risk: three_0 of three does not answer\n! three_0 .*ECONNREFUSED.*\n {4}since .*\n.*\n {4}type: nursery node --config \S+ --node three_0$/m,
    );
    await cluster.process(second).kill();
    const dead = await until('no master to be left', async () => {
      const finished = await lab.run(['status', '--config', cluster.file]);
      // As long as the lease of the master that is gone holds, nobody knows since when.
      const isKnown = finished.stdout.includes('by the clock of three_2');
      return finished.code === EXIT_CODES.NOT_SERVING && isKnown ? finished : null;
    });
    assert.match(
      dead.stdout,
      /^not serving: cluster three has no master, so nobody serves its keys: three_0, three_1 do not answer\n/,
    );
    assert.match(dead.stdout, /^ {4}since .*, by the clock of three_2$/m);
    for (const { stdout } of [well, risky, dead]) assert.not.match(stdout, /keeper|nursery init/);
    assert.equal(await over(port, '/readyz'), [503, '{"ok":false,"why":"no master has a lease"}\n']);
    assert.is((await over(port, '/healthz'))[0], 200);
    assert.match((await over(port, '/metrics'))[1], /^nursery_conditions\{kind="noMaster"\} 1$/m);
    const waited = await lab.run(['status', '--config', cluster.file, '--wait', 'healthy', '--timeout', '1']);
    assert.is(waited.code, EXIT_CODES.NOT_SERVING);
    for (const name of [first, second]) cluster.startNode(name);
    const back = await lab.run(['status', '--config', cluster.file, '--wait', 'healthy', '--timeout', '60']);
    assert.is(back.code, EXIT_CODES.OK, back.stdout);
  },
);

tests.test('two members on one rack: refused, then allowed by name and said, then mended', async (lab) => {
  const racks = ['r1', 'r1', 'r2'];
  const cluster = await TestCluster.create(lab, {
    clusterId: 'racks',
    nodeExtra: (index) => ({ machine: `m${index}`, rack: racks[index] as string }),
  });
  const names = cluster.nodes.map(({ name }) => name) as [string, string, string];
  const refused = await lab.run(['node', '--config', cluster.file, '--node', names[2]]);
  assert.is(refused.code, EXIT_CODES.CONFIG);
  assert.match(
    refused.stderr,
    /\[racks_1\] rack = r1: racks_0 is at rack r1, too, and both would fail with it: /,
  );
  // Asking is not refused, whatever the file says.
  assert.is((await lab.run(['status', '--config', cluster.file])).code, EXIT_CODES.NOT_SERVING);

  const [, allowed] = /put (.* of \[global\])/.exec(refused.stderr) ?? [];
  assert.is(allowed, 'r1 into shared_places of [global]');
  edit(cluster.file, '[global]', '[global]\nshared_places = r1');
  cluster.startAll();
  const status = async (): Promise<string> =>
    (await lab.run(['status', '--config', cluster.file, '--wait', 'healthy', '--timeout', '60'], 90_000))
      .stdout;
  const shared = await status();
  assert.match(
    shared,
    /^healthy: .*\n- rack r1 holds racks_0, racks_1, of 3 members of racks: if it fails, /,
  );
  assert.match(shared, /^ {2}3 copies, 3 up to date; 1 may fail, and not rack r1 \(racks_0, racks_1\)$/m);
  assert.match(shared, /^ {2}on machine m0, machine m1, machine m2, rack r1 \(2 of them\), rack r2$/m);

  // It fails.
  await Promise.all([names[0], names[1]].map((name) => cluster.process(name).kill()));
  await until('nothing to be served', async () => {
    const { code } = await lab.run(['status', '--config', cluster.file]);
    return code === EXIT_CODES.NOT_SERVING;
  });
  edit(cluster.file, 'rack = r1', 'rack = r3');
  edit(cluster.file, 'shared_places = r1', '');
  for (const name of [names[0], names[1]]) cluster.startNode(name);
  await status();
  // The third one goes on as it was started: its own rack is right.
  const mended = await lab.run(['status', '--config', cluster.file, '--json']);
  const { findings, clusters } = JSON.parse(mended.stdout) as Seen & {
    readonly clusters: readonly { readonly copies: { readonly places: readonly object[] } }[];
  };
  assert.equal(findings, []);
  assert.equal(
    clusters[0]?.copies.places.filter((place) => 'kind' in place && place.kind === 'rack'),
    [
      { kind: 'rack', name: 'rack r3', members: ['racks_0'], losesQuorum: false },
      { kind: 'rack', name: 'rack r1', members: ['racks_1'], losesQuorum: false },
      { kind: 'rack', name: 'rack r2', members: ['racks_2'], losesQuorum: false },
    ],
  );
});

/** Writes a file anew, with `after` in the place of the first `before`. */
function edit(file: string, before: string, after: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(before, after));
}

/** Waits until the masters of all owners count just that: lower bound, keys, bytes. */
async function countsAre(
  nursery: TestNursery,
  wanted: readonly (readonly [lo: string, keys: number, bytes: number])[],
): Promise<void> {
  type Counted = { readonly counts: readonly { lo: string; keys: number; bytes: number }[] | null };
  await until(`counts of ${JSON.stringify(wanted)}`, async () => {
    const { clusters } = JSON.parse((await nursery.run(['status', '--json'])).stdout) as {
      readonly clusters: readonly { readonly nodes: readonly Counted[] }[];
    };
    const counts = clusters.flatMap(({ nodes }) => nodes.flatMap((node) => node.counts ?? []));
    const seen = counts.map(({ lo, keys, bytes }) => [lo, keys, bytes]).sort();
    assert.equal(seen, wanted.map((each) => [...each]).sort());
    return true;
  });
}

/** Does by hand what a migrator does up to the seal of [k..end), and then nothing more. */
async function sealAndDie(lab: Lab, nursery: TestNursery): Promise<void> {
  const [ams, bru] = nursery.clusters;
  const clients = [nursery.keeper, ams, bru].map(
    ({ config }) => new ClusterClient(config, { role: 'migrator', node: 'by hand' }),
  );
  lab.closing(() => {
    for (const client of clients) client.close();
  });
  const [keeper, source, target] = clients as [ClusterClient, ClusterClient, ClusterClient];
  const known = await expected('keeperMap', keeper.query({ kind: 'getMap' }));
  const foundingOf = (id: string): string =>
    known.clusters.find(({ cluster }) => cluster === id)?.founding ?? '';
  const range = { lo: 'k', hi: null };
  const { mid } = await expected(
    'planned',
    keeper.command({ kind: 'plan', source: ams.id, target: bru.id, ...range }),
  );
  const { token, floor } = await expected('claimed', keeper.command({ kind: 'claim', mid, tokenSeen: 0 }));
  const header = (peer: string) => ({ mid, token, floor, ...range, peer });
  const under = (
    id: string,
    other: string,
    command: Extract<AdminCommand, { kind: 'under' }>['command'],
  ): AdminCommand => ({
    kind: 'under',
    keeper: known.nursery?.founding ?? '',
    founding: foundingOf(id),
    peer: foundingOf(other),
    command,
  });
  await expected(
    'importing',
    target.command(under(bru.id, ams.id, { kind: 'beginImport', ...header(ams.id) })),
  );
  const toSource = (command: Extract<AdminCommand, { kind: 'under' }>['command']): Promise<AdminAnswer> =>
    source.command(under(ams.id, bru.id, command));
  const begun = await expected('exporting', toSource({ kind: 'beginExport', ...header(bru.id) }));
  const scanned = await expected(
    'base',
    source.query({ kind: 'scanBase', mid, minSlot: begun.beginSlot }, { to: 'master' }),
  );
  const page = { mid, ...range, from: 'k', bytesMax: 1 << 18, minSlot: begun.beginSlot };
  const { asOf, rows, to } = await expected('rows', source.query({ kind: 'readPage', ...page }));
  const copied = {
    kind: 'page',
    ...header(ams.id),
    seq: 1,
    asOf,
    page: PAGE_COPY,
    from: 'k',
    to,
    rows,
  } as const;
  await target.command(under(bru.id, ams.id, { ...copied, rows: [...rows] }));
  await toSource({ kind: 'setBase', ...header(bru.id), base: scanned.base });
  await expected('sealed', toSource({ kind: 'seal', ...header(bru.id), rowsMax: 500, bytesMax: 1 << 18 }));
}

async function expected<K extends AdminAnswer['kind']>(
  kind: K,
  asked: Promise<AdminAnswer>,
): Promise<Extract<AdminAnswer, { kind: K }>> {
  const answer = await asked;
  if (answer.kind !== kind) throw new Error(`${kind} was expected: ${JSON.stringify(answer)}`);
  return answer as Extract<AdminAnswer, { kind: K }>;
}

tests.run();
