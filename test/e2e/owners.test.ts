/** Files of other owners, read-only places, and things of the wrong kind: a server that cannot use them says which, and why. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import { TestCluster } from '../support/clusters.ts';
import { AS_OTHER_USER, folderOfOther, forbid } from '../support/other-user.ts';
import { freePorts, type Lab, labSuite } from '../support/processes.ts';

const suite = labSuite('owners and kinds of files');

/** Something else in the place of a file or directory. Returns how all is as before. */
function inPlaceOf(path: string, put: () => void): () => void {
  renameSync(path, `${path}.kept`);
  put();
  return () => {
    rmSync(path, { recursive: true });
    renameSync(`${path}.kept`, path);
  };
}

/** A server that must not start, and what it must say: the path, and not a word of our code. */
async function refused(
  lab: Lab,
  args: readonly string[],
  says: readonly string[],
  under: readonly string[] = AS_OTHER_USER,
): Promise<void> {
  const { code, stdout, stderr } = await lab.start(`refused: ${says[0]}`, args, {}, under).finished();
  assert.is(code, EXIT_CODES.HOME_UNUSABLE, stdout + stderr);
  for (const text of says) assert.match(stderr, text);
  assert.not.match(stderr, '    at ');
  assert.is(stderr.trim().split('\n').length, 1, stderr);
}

suite.test(
  'a node refuses what it cannot use by its path, owner and kind; afterwards it starts',
  async (lab) => {
    const disk = join(lab.dir, 'disk');
    folderOfOther(lab, disk);
    const cluster = await TestCluster.create(lab, {
      clusterId: 'manor',
      size: 1,
      disk: () => ({ dir: disk, env: {} }),
    });
    const [{ name, home }] = cluster.nodes as [(typeof cluster.nodes)[number]];
    const args = ['node', '--config', cluster.file, '--node', name];
    const start = async () => {
      const node = lab.start(name, args, {}, AS_OTHER_USER);
      await node.output('to be up', (text) => text.includes('clients at port'));
      await cluster.ask(name, (client) => client.nop()).catch(() => undefined);
      return node;
    };
    const first = await start();
    const client = cluster.client();
    await client.call((master) => master.set('key', 'kept'));
    await first.terminate();

    const segments = readdirSync(join(home, 'tlog')).filter((entry) => entry.endsWith('.tlog'));
    const segment = join(home, 'tlog', segments[0] as string);
    const forbidden = [
      home,
      join(home, 'store'),
      join(home, 'store', 'data.mdb'),
      segment,
      join(home, `${name}.log`),
    ];
    for (const path of forbidden) {
      const undo = forbid(path);
      await refused(lab, args, [path, 'belongs to', 'must be allowed to', 'rw']);
      undo();
    }
    const others: readonly [string, () => () => void, string][] = [
      [
        join(home, 'OWNER'),
        () => inPlaceOf(join(home, 'OWNER'), () => mkfifo(join(home, 'OWNER'))),
        'a pipe',
      ],
      [
        join(home, 'store'),
        () => inPlaceOf(join(home, 'store'), () => writeFileSync(join(home, 'store'), '')),
        'a file',
      ],
      [segment, () => inPlaceOf(segment, () => mkdirSync(segment)), 'a directory'],
      [home, () => inPlaceOf(home, () => writeFileSync(home, '')), 'a file'],
    ];
    for (const [path, put, kind] of others) {
      const undo = put();
      await refused(lab, args, [path, kind]);
      undo();
    }
    const readOnly = `mount --bind '${home}' '${home}' && mount -o remount,bind,ro '${home}'`;
    if (spawnSync('unshare', ['-m', 'sh', '-c', readOnly]).status === 0) {
      const under = ['unshare', '-m', 'sh', '-c', `${readOnly} && exec ${AS_OTHER_USER.join(' ')} "$0" "$@"`];
      await refused(lab, args, [home, 'read-only'], under);
    }

    const node = await start();
    assert.is(String(await client.call((master) => master.get('key'))), 'kept');
    await node.terminate();
  },
);

suite.test('a router refuses a folder for its log likewise', async (lab) => {
  const [port] = await freePorts(1);
  const folder = join(lab.dir, 'logs');
  folderOfOther(lab, folder);
  const file = join(lab.dir, 'router.ini');
  const draft = { name: 'router', clusterId: 'front', ip: '127.0.0.1', port: port as number };
  const keeper = { cluster: 'keeper', nodes: [{ name: 'keeper_0', ips: ['127.0.0.1'], port: 1 }] };
  writeFileSync(file, renderRouterIni({ ...draft, logDir: folder, keeper }));
  forbid(folder);
  await refused(lab, ['router', '--config', file], [folder, 'belongs to']);
  writeFileSync(file, renderRouterIni({ ...draft, logDir: join(file, 'logs'), keeper }));
  await refused(lab, ['router', '--config', file], [`${file} is a file`, 'directory']);
});

suite.test('what a shell would have expanded is no name of a directory', async (lab) => {
  const cluster = await TestCluster.create(lab, { clusterId: 'lodge', size: 1 });
  const text = readFileSync(cluster.file, 'utf8');
  for (const [key, value] of [
    ['home', '~/lodge'],
    ['home', '$HOME/lodge'],
    ['tlog_dir', '~nursery/log'],
    ['log_dir', '"/var/log"'],
  ] as const) {
    const edited = text.replace(/^home = .*$/m, (line) => {
      return key === 'home' ? `home = ${value}` : `${line}\n${key} = ${value}`;
    });
    writeFileSync(cluster.file, edited);
    const args = ['node', '--config', cluster.file, '--node', 'lodge_0'];
    const { code, stderr } = await lab.run(args);
    assert.is(code, EXIT_CODES.CONFIG, stderr);
    assert.match(stderr, `${basename(cluster.file)}:`);
    assert.match(stderr, `${key} = ${value}`);
  }
  assert.equal(
    readdirSync(lab.dir).filter((name) => /^[~$"]/.test(name)),
    [],
  );
  assert.not(existsSync(join(lab.dir, 'lodge_0')));
  const { code, stderr } = await lab.run(['dev', '--dir', '~/nursery', '--once']);
  assert.is(code, EXIT_CODES.USAGE, stderr);
});

suite.test('dev takes no directory by accident, and no file of somebody else', async (lab) => {
  const dev = (dir: string) => lab.run(['dev', '--dir', dir, '--tour', '--once']);
  const empty = await dev('');
  assert.is(empty.code, EXIT_CODES.USAGE, empty.stderr);
  assert.match(empty.stderr, '--dir is empty');
  const file = join(lab.dir, 'a-file');
  writeFileSync(file, 'mine');
  await refused(lab, ['dev', '--dir', file], [`${file} is a file`], []);
  for (const name of ['ams.ini', 'router.ini', 'bru_1']) {
    const dir = join(lab.dir, `with-${name}`);
    mkdirSync(dir);
    writeFileSync(join(dir, name), 'mine');
    await refused(lab, ['dev', '--dir', dir], [dir, `${name} in it is not of an earlier nursery dev`], []);
    assert.equal(readdirSync(dir), [name]);
    assert.is(readFileSync(join(dir, name), 'utf8'), 'mine');
  }
  const other = join(lab.dir, 'with-a-plan');
  mkdirSync(other);
  writeFileSync(join(other, 'plan.json'), '{"steps": []}');
  const { code, stderr } = await dev(other);
  assert.is(code, EXIT_CODES.CONFIG, stderr);
  assert.match(stderr, join(other, 'plan.json'));
  assert.equal(readdirSync(other), ['plan.json']);
});

function mkfifo(path: string): void {
  assert.is(spawnSync('mkfifo', [path]).status, 0);
}

suite.run();
