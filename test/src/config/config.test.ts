import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, FatalError } from '../../../src/base/errors.ts';
import { UPDATE_MAX, VALUE_MAX } from '../../../src/base/limits.ts';
import {
  type ClusterIni,
  clusterConfigOf,
  nodeOf,
  readClusterConfig,
  toClusterConfig,
  toKeeperConfig,
} from '../../../src/config/cluster-config.ts';
import { parseIni } from '../../../src/config/ini.ts';
import { renderClusterIni, renderRouterIni } from '../../../src/config/render.ts';
import { readRouterConfig, routerConfigOf } from '../../../src/config/router-config.ts';

const GLOBAL = ['[global]', 'cluster = n0, n1', 'cluster_id = sturdy'];
const N0 = ['[n0]', 'ip = 127.0.0.1', 'client_port = 4000', 'messaging_port = 4010', 'home = /data/n0'];
const N1 = ['[n1]', 'ip = 10.0.0.1, ::1', 'client_port = 4_001', 'home = /data/n1', 'log_level = DEBUG'];

/** A cluster of two with further lines in [global], in [n0], and at the end. */
function cluster(more: { global?: string[]; n0?: string[]; end?: string[] } = {}): ClusterIni {
  return clusterConfigOf(
    parseIni(
      'c.ini',
      [...GLOBAL, ...(more.global ?? []), ...N0, ...(more.n0 ?? []), ...N1, ...(more.end ?? [])].join('\n'),
    ),
  );
}

test('a cluster as Arakoon describes it', () => {
  const ini = cluster();
  assert.is(ini.clusterId, 'sturdy');
  assert.equal(
    ini.nodes.map((node) => node.name),
    ['n0', 'n1'],
  );
  assert.equal(nodeOf(ini, 'n0'), {
    name: 'n0',
    ips: ['127.0.0.1'],
    clientPort: 4000,
    messagingPort: 4010,
    home: '/data/n0',
    tlogDir: '/data/n0',
    tlxDir: '/data/n0',
    headDir: '/data/n0',
    logDir: '/data/n0',
    logLevel: 'info',
    reportingMs: 300_000,
    slowMs: 1000,
    learner: false,
    label: '',
    dashboardHosts: [],
    places: { disk: '', machine: '', rack: '' },
    writtenAt: {
      ip: 'c.ini:5: [n0] ip = 127.0.0.1',
      clientPort: 'c.ini:6: [n0] client_port = 4000',
      messagingPort: 'c.ini:7: [n0] messaging_port = 4010',
    },
  });
  const n1 = nodeOf(ini, 'n1');
  assert.match(n1.writtenAt.messagingPort, /^c\.ini:\d+: \[n1\] has no messaging_port$/);
  assert.equal(
    [n1.ips, n1.clientPort, n1.messagingPort, n1.logLevel],
    [['10.0.0.1', '::1'], 4001, null, 'debug'],
  );
  const { leaseMs, forcedMaster, preferredMasters, readOnly, nursery, warnings, segmentBytes } = ini;
  assert.equal(
    { leaseMs, forcedMaster, preferredMasters, readOnly, nursery, warnings, segmentBytes },
    {
      leaseMs: 2000,
      forcedMaster: null,
      preferredMasters: [],
      readOnly: false,
      nursery: null,
      warnings: [],
      segmentBytes: null,
    },
  );
  assert.equal([ini.valueBytesMax, ini.updateBytesMax], [VALUE_MAX, UPDATE_MAX]);
  assert.equal(toClusterConfig(ini), {
    cluster: 'sturdy',
    nodes: [
      { name: 'n0', ips: ['127.0.0.1'], port: 4000 },
      { name: 'n1', ips: ['10.0.0.1', '::1'], port: 4001 },
    ],
  });
  assert.is(toKeeperConfig(ini), null);
});

test('options that change what a cluster does', () => {
  assert.is(cluster({ global: ['lease_period = 0.25'] }).leaseMs, 250);
  assert.is(cluster({ global: ['lease_period = 10'] }).leaseMs, 10_000);
  assert.is(cluster({ global: ['master = n1'] }).forcedMaster, 'n1');
  const preferred = cluster({ global: ['master = n1', 'preferred_master = true'] });
  assert.equal([preferred.forcedMaster, preferred.preferredMasters], [null, ['n1']]);
  assert.equal(cluster({ global: ['preferred_masters = n1, n0'] }).preferredMasters, ['n1', 'n0']);
  assert.is(cluster({ global: ['__tainted_max_value_size = 100_000'] }).valueBytesMax, 99_999);
  assert.is(cluster({ global: ['tlog_max_size = 1_000_000'] }).segmentBytes, 1_000_000);
  refused({ global: ['tlog_max_size = 1'] }, /tlog_max_size = 1: allowed is a whole number from 16384 to/);
  const [alone, n0] = ['[global]\ncluster = n0\ncluster_id = c\nreadonly = true\n', N0.join('\n')];
  assert.ok(clusterConfigOf(parseIni('c.ini', alone + n0)).readOnly);
});

test('what is not there yet is said to do nothing', () => {
  const { warnings } = cluster({ global: ['plugins = a.mjs, b.mjs'], n0: ['witness = true'] });
  assert.equal(warnings.length, 2);
  for (const warning of warnings) assert.match(warning, /(plugins|witness) has no effect here: \w/);
});

test('folders follow each other where they are not set', () => {
  const folders = (lines: string[]) => {
    const { tlogDir, tlxDir, headDir, logDir } = nodeOf(cluster({ n0: lines }), 'n0');
    return [tlogDir, tlxDir, headDir, logDir];
  };
  assert.equal(folders(['tlog_dir = /t']), ['/t', '/t', '/t', '/data/n0']);
  assert.equal(folders(['tlf_dir = /f']), ['/data/n0', '/f', '/f', '/data/n0']);
  assert.equal(folders(['tlx_dir = /x', 'tlf_dir = /f']), ['/data/n0', '/x', '/x', '/data/n0']);
  assert.equal(folders(['head_dir = /h', 'log_dir = /l']), ['/data/n0', '/data/n0', '/h', '/l']);
});

test('learners need not stand in the list of nodes', () => {
  const ini = cluster({ end: ['[n2]', 'ip = ::1', 'client_port = 1', 'home = /h', 'learner = true'] });
  assert.equal(
    ini.nodes.map((node) => [node.name, node.learner]),
    [
      ['n0', false],
      ['n1', false],
      ['n2', true],
    ],
  );
});

test('[nursery] names the keeper, whose sections are for clients', () => {
  const keeper = ['[nursery]', 'cluster_id = keep', 'cluster = k0, k1'];
  const k0 = ['[k0]', 'ip = 10.1.1.1', 'client_port = 7000', 'home = /of/another', 'learner = false'];
  const k1 = ['[k1]', 'ip = 10.1.1.2', 'client_port = 7001'];
  const ini = cluster({ end: [...keeper, ...k0, ...k1] });
  assert.equal(toKeeperConfig(ini), {
    cluster: 'keep',
    nodes: [
      { name: 'k0', ips: ['10.1.1.1'], port: 7000 },
      { name: 'k1', ips: ['10.1.1.2'], port: 7001 },
    ],
  });
  assert.is(ini.nodes.length, 2);
  assert.equal(ini.warnings, []);
  refused({ end: keeper }, /there is no section \[k0\]/);
  refused({ end: ['[nursery]', 'cluster = n0'] }, /^c\.ini:14: \[nursery\] has no cluster_id/);
});

test('unknown keys and sections are warned about by name; known ones without effect too', () => {
  const { warnings } = cluster({
    global: ['colour = blue', 'lcnum = 16384', 'quorum = 2'],
    n0: ['fsync = true', 'nonsense = 1', 'tlog_compression = bz2', 'log_config = levels'],
    end: ['[levels]', 'paxos = debug', 'loudness = 11', '[elsewhere]', 'x = y'],
  });
  assert.equal(warnings, [
    'c.ini:4: [global] colour = blue: colour is not a known key, and ignored',
    'c.ini:5: [global] lcnum = 16384: lcnum has no effect here: the store is LMDB, whose cache is that of the system',
    'c.ini:6: [global] quorum = 2: quorum has no effect here: it is always a majority: anything else has two truths, or stands still',
    'c.ini:12: [n0] fsync = true: fsync has no effect here: every record of the log is synced before anybody is told of it',
    'c.ini:13: [n0] nonsense = 1: nonsense is not a known key, and ignored',
    'c.ini:14: [n0] tlog_compression = bz2: tlog_compression has no effect here: segments of the log are not compressed, and dropped once the store has them',
    'c.ini:15: [n0] log_config = levels: log_config has no effect here: log_level is that of all lines; SIGUSR2 writes the last ones of every level',
    'c.ini:22: [levels] paxos = debug: paxos has no effect here: log_level of the node is that of all lines; SIGUSR2 writes the last ones of every level',
    'c.ini:23: [levels] loudness = 11: loudness is not a known key, and ignored',
    'c.ini:24: [elsewhere] is not a known section, and ignored',
  ]);
});

test('every option of Arakoon is known', () => {
  const globals = [
    ...['tlog_max_entries', 'tlog_max_size', 'client_buffer_capacity', 'lcnum', 'ncnum'],
    ...['tcp_keepalive_time', 'tcp_keepalive_intvl', 'tcp_keepalive_probes'],
    ...['__tainted_max_value_size', '__tainted_max_buffer_size', '__tainted_tlog_entries_per_file'],
  ].map((name) => `${name} = 20_000`);
  const others = ['preferred_masters = n0', 'lease_period = 5', 'readonly = false', 'quorum = 2'];
  const tls = [
    'tls_service = false',
    'tls_service_validate_peer = false',
    'tls_version = 1.2',
    'tls_cipher_list = x',
  ];
  const node = [
    ...[
      'tlog_dir',
      'tlx_dir',
      'tlf_dir',
      'head_dir',
      'log_dir',
      'log_config',
      'log_sinks',
      'crash_log_sinks',
    ],
    ...['batched_transaction_config', 'targets', 'fsync_interval', 'fsync_entries', 'reporting'],
    ...['collapse_slowdown', 'head_copy_throttling', 'optimize_db_slowdown'],
  ].map((name) => `${name} = 1`);
  const flags = [
    'learner',
    'witness',
    'laggy',
    'disable_tlog_compression',
    'fsync',
    '__tainted_fsync_tlog_dir',
  ];
  const { warnings } = cluster({
    global: [...globals, ...others, ...tls, 'enable_tcp_keepalive = true', 'plugins = p'],
    n0: [
      ...node,
      ...flags.map((name) => `${name} = false`),
      'log_level = notice',
      'tlog_compression = snappy',
    ],
    end: [
      '[1]',
      'client_protocol = info',
      'tcp_messaging = info',
      'tlog_map = x',
      'server = x',
      'max_size = 1',
    ],
  });
  assert.equal(
    warnings.filter((warning) => !/has no effect here: \S/.test(warning)),
    [],
  );
  assert.ok(warnings.length > 20);
});

test('wrong values end the process with file, line, key, value, and what is allowed', () => {
  refused(
    { global: ['lease_period = soon'] },
    'c.ini:4: [global] lease_period = soon: allowed is a number from 0.1 to 3600',
  );
  refused({ global: ['lease_period = 0'] }, /allowed is a number/);
  refused({ global: ['lease_period = -1'] }, /allowed is a number/);
  refused({ global: ['master = n7'] }, 'c.ini:4: [global] master = n7: allowed are the nodes n0, n1');
  refused({ global: ['preferred_masters = n0, n7'] }, /n0, n7: allowed are the nodes n0, n1/);
  refused({ global: ['master = n0', 'preferred_masters = n1'] }, /^c\.ini:5: .*exclude each other/);
  refused({ global: ['quorum = 3'] }, 'c.ini:4: [global] quorum = 3: allowed is a whole number from 1 to 2');
  refused({ global: ['quorum = 0'] }, /from 1 to 2/);
  refused({ global: ['readonly = true'] }, /cluster of one node; this one has 2/);
  refused({ global: ['readonly = perhaps'] }, /allowed is true or false/);
  refused({ global: ['tls_ca_cert = /ca.pem'] }, /TLS is not supported/);
  refused({ global: ['tls_service = true'] }, /TLS is not supported/);
  refused({ n0: ['tls_cert = /n.pem'] }, /^c\.ini:9: \[n0\] tls_cert = \/n\.pem: TLS is not supported/);
  refused(
    { global: [`__tainted_max_value_size = ${VALUE_MAX + 2}`] },
    /allowed is a whole number from 1 to 8388608$/,
  );
  refused({ n0: ['log_level = loud'] }, /^c\.ini:9: .*allowed are debug, info, notice, warning/);
  refused({ n0: ['tlog_compression = zip'] }, /zip: allowed are snappy, bz2, none/);
  refused({ n0: ['ip = ::1'] }, 'c.ini:9: [n0] ip = ::1: stands on line 5 already; keep one');
  refused({ n0: ['what is this'] }, /^c\.ini:9: what is this: a line is/);
  for (const port of ['0', '65536', 'x', '', '80.5', '1e3', '-1']) {
    const text = [...GLOBAL, ...N0, ...N1].join('\n').replace('4000', port);
    const why = `c.ini:6: [n0] client_port = ${port}: allowed is a whole number from 1 to 65535`;
    assert.throws(() => clusterConfigOf(parseIni('c.ini', text)), ends(why), port);
  }
});

test('addresses are kept as they are dialled; others are refused with what is allowed', () => {
  const text = (ip: string): string =>
    [...GLOBAL, ...N0, ...N1].join('\n').replace('ip = 127.0.0.1', `ip = ${ip}`);
  const read = (ip: string): ClusterIni => clusterConfigOf(parseIni('c.ini', text(ip)));
  assert.equal(nodeOf(read('[::1], ::2%lo, a.example.'), 'n0').ips, ['::1', '::2%lo', 'a.example']);
  for (const ip of ['bad host', '127.0.0.1:4000', 'http://a', '999.1.1.1', '10.0.0.2, [::1']) {
    const last = ip.split(', ').pop() as string;
    assert.throws(
      () => read(ip),
      ends(
        new RegExp(
          `^c\\.ini:5: \\[n0\\] ip = .*${last.replace(/[[\]]/g, '\\$&')}: .*allowed is an IPv4 address`,
        ),
      ),
      ip,
    );
  }
});

test('nobody has the name or the place of another', () => {
  const twice = (change: (lines: string) => string): (() => ClusterIni) => {
    const end = [
      '[nursery]',
      'cluster_id = keep',
      'cluster = k0',
      '[k0]',
      'ip = 10.9.9.9',
      'client_port = 1',
    ];
    const text = change([...GLOBAL, ...N0, ...N1, ...end].join('\n'));
    return () => clusterConfigOf(parseIni('c.ini', text));
  };
  assert.ok(twice((ini) => ini)().nursery);
  assert.throws(
    twice((ini) => ini.replace('messaging_port = 4010', 'messaging_port = 4000')),
    ends(
      'c.ini:7: [n0] messaging_port = 4000: 127.0.0.1:4000 is [n0] client_port already; each address once',
    ),
  );
  assert.throws(
    twice((ini) => ini.replace('ip = 10.0.0.1, ::1', 'ip = ::1, 127.0.0.1').replace('4_001', '4_000')),
    ends('c.ini:11: [n1] client_port = 4_000: 127.0.0.1:4000 is [n0] client_port already; each address once'),
  );
  assert.throws(
    twice((ini) => ini.replace('ip = 10.0.0.1, ::1', 'ip = ::1, [0::1]')),
    ends('c.ini:10: [n1] ip = ::1, [0::1]: [0::1]:4001 stands there twice; keep one'),
  );
  assert.throws(
    twice((ini) =>
      ini.replace('ip = 10.9.9.9', 'ip = 127.0.0.1').replace('client_port = 1', 'client_port = 4010'),
    ),
    ends(/^c\.ini:19: \[k0\] client_port = 4010: 127\.0\.0\.1:4010 is \[n0\] messaging_port already/),
  );
});

test('names that are paths or sections of another kind are none of nodes', () => {
  for (const name of [
    '../n0',
    '/etc/n0',
    'a\\b',
    '..',
    '.',
    'global',
    'nursery',
    'router',
    'n'.repeat(201),
  ]) {
    const text = [...GLOBAL, ...N0, ...N1].join('\n').replace('n0, n1', `n0, ${name}`);
    assert.throws(
      () => clusterConfigOf(parseIni('c.ini', text)),
      ends(/^c\.ini:2: \[global\] cluster = n0, /),
      name,
    );
  }
  const learner = ['[../n2]', 'ip = ::1', 'client_port = 1', 'home = /h', 'learner = true'];
  refused({ end: learner }, /^c\.ini:14: \[\.\.\/n2\]: a name is no path/);
  const router = (line: string): string =>
    ['[router]', 'cluster_id = all', 'ip = ::1', 'client_port = 5000', line].join('\n');
  const keeper = ['[nursery]', 'cluster_id = keep', 'cluster = k0', '[k0]', 'ip = ::1', 'client_port = 7000'];
  const read = (text: string) => routerConfigOf(parseIni('r.ini', [text, ...keeper].join('\n')));
  assert.throws(
    () => read(router('name = ../r')),
    ends(/^r\.ini:5: \[router\] name = \.\.\/r: a name is no path/),
  );
  assert.throws(
    () => read(router('').replace('5000', '7000')),
    ends(/^r\.ini:11: .*is \[router\] client_port already/),
  );
  assert.throws(
    () => read(router('').replace('::1', ':1')),
    ends(/^r\.ini:3: \[router\] ip = :1: .*allowed is/),
  );
});

test('what must be there is asked for by name', () => {
  const without = (line: string): void => {
    const lines = [...GLOBAL, ...N0, ...N1].filter((any) => !any.startsWith(line));
    clusterConfigOf(parseIni('c.ini', lines.join('\n')));
  };
  assert.throws(() => without('cluster_id'), ends(/^c\.ini:1: \[global\] has no cluster_id: /));
  assert.throws(() => without('cluster ='), ends(/^c\.ini:1: \[global\] has no cluster: /));
  assert.throws(() => without('ip ='), ends(/^c\.ini:4: \[n0\] has no ip: /));
  assert.throws(() => without('client_port'), ends(/^c\.ini:4: \[n0\] has no client_port: allowed is/));
  assert.throws(() => without('home'), ends(/^c\.ini:4: \[n0\] has no home: /));
  assert.throws(() => without('[n1]'), ends(/already; keep one$/));
  assert.throws(() => clusterConfigOf(parseIni('c.ini', '')), ends(/there is no section \[global\]/));
  assert.throws(
    () => clusterConfigOf(parseIni('c.ini', GLOBAL.join('\n'))),
    ends(/n0 needs a section \[n0\]/),
  );
  assert.throws(() => parseIni('c.ini', 'a = b'), ends(/^c\.ini:1: a = b: no \[section\]/));
  assert.throws(() => nodeOf(cluster(), 'n7'), ends('c.ini: there is no node n7; the nodes are n0, n1'));
  const twice = GLOBAL.join('\n').replace('n0, n1', 'n0, n0');
  assert.throws(() => clusterConfigOf(parseIni('c.ini', twice)), ends(/n0 stands there twice/));
});

test('clients need neither home nor messaging port', () => {
  const lines = [...GLOBAL, ...N0, ...N1].filter((line) => !/^(home|messaging_port)/.test(line));
  const ini = clusterConfigOf(parseIni('c.ini', lines.join('\n')), 'client');
  assert.is(toClusterConfig(ini).nodes.length, 2);
});

test('comments, blanks, empty lines, line ends and a byte order mark do not matter', () => {
  const text = [
    '\uFEFF# first',
    '  [global]  ; of all',
    '\tcluster=n0 # one',
    ' ; none',
    'cluster_id = a#b;c',
    '',
    '[ n0 ]',
    'ip = 1.2.3.4',
    'client_port =4000',
    'home= /h = i',
  ].join('\r\n');
  const ini = clusterConfigOf(parseIni('c.ini', text));
  assert.equal([ini.clusterId, ini.nodes[0]?.name, ini.nodes[0]?.home], ['a#b;c', 'n0', '/h = i']);
});

test('a router, its defaults and what it refuses', () => {
  const router = ['[router]', 'cluster_id = all', 'ip = 127.0.0.1', 'client_port = 5000'];
  const keeper = ['[nursery]', 'cluster_id = keep', 'cluster = k0', '[k0]', 'ip = ::1', 'client_port = 7000'];
  const read = (lines: string[]) => routerConfigOf(parseIni('/etc/r.ini', lines.join('\n')));
  assert.equal(read([...router, ...keeper]), {
    file: '/etc/r.ini',
    name: 'router',
    dashboardToken: null,
    dashboardHosts: [],
    clusterId: 'all',
    ips: ['127.0.0.1'],
    port: 5000,
    writtenAt: {
      ip: '/etc/r.ini:3: [router] ip = 127.0.0.1',
      clientPort: '/etc/r.ini:4: [router] client_port = 5000',
    },
    logDir: '/etc',
    logLevel: 'info',
    migrator: true,
    slowMs: 1000,
    nursery: { clusterId: 'keep', nodes: [{ name: 'k0', ips: ['::1'], port: 7000 }] },
    warnings: [],
  });
  assert.equal(read([...router, 'speed = 9', ...keeper, '[x]']).warnings, [
    '/etc/r.ini:5: [router] speed = 9: speed is not a known key, and ignored',
    '/etc/r.ini:12: [x] is not a known section, and ignored',
  ]);
  const browsed = read([
    ...router,
    'dashboard_token = 0123456789abcdef',
    'dashboard_hosts = a.x, b',
    ...keeper,
  ]);
  assert.equal([browsed.dashboardToken, browsed.dashboardHosts], ['0123456789abcdef', ['a.x', 'b']]);
  for (const token of ['short', '0123456789abcde', '0123456789 abcdef', '0123456789abcdé0'])
    assert.throws(
      () => read([...router, `dashboard_token = ${token}`, ...keeper]),
      ends(/16 printable characters/),
    );
  assert.throws(() => read(router), ends(/add \[nursery\]/));
  assert.throws(() => read(keeper), ends(/there is no section \[router\]/));
  assert.throws(() => read([...router.slice(0, 3), ...keeper]), ends(/\[router\] has no client_port/));
});

test('what is rendered is read back', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nursery-config-'));
  try {
    const keeper = { cluster: 'keep', nodes: [{ name: 'k0', ips: ['127.0.0.1'], port: 7000 }] };
    const file = join(folder, 'c.ini');
    const nodes = [
      { name: 'n0', ip: '127.0.0.1', clientPort: 4000, home: join(folder, 'n0') },
      { name: 'n1', ip: '127.0.0.1', clientPort: 4001, home: join(folder, 'n1'), extra: { learner: 'true' } },
    ];
    writeFileSync(file, renderClusterIni({ clusterId: 'c', nodes, extra: { lease_period: '0.5' }, keeper }));
    const ini = readClusterConfig(file);
    assert.equal([ini.clusterId, ini.leaseMs, ini.warnings], ['c', 500, []]);
    assert.equal(
      ini.nodes.map((node) => [node.name, node.clientPort, node.home, node.learner]),
      [
        ['n0', 4000, join(folder, 'n0'), false],
        ['n1', 4001, join(folder, 'n1'), true],
      ],
    );
    assert.equal(toKeeperConfig(ini), keeper);
    const own = {
      clusterId: 'keep',
      nodes: [{ name: 'k0', ip: '127.0.0.1', clientPort: 7000, home: folder }],
      keeper,
    };
    writeFileSync(file, renderClusterIni(own));
    assert.equal(toKeeperConfig(readClusterConfig(file)), keeper);
    const draft = { name: 'r0', clusterId: 'all', ip: '127.0.0.1', port: 5000, logDir: folder, keeper };
    writeFileSync(file, renderRouterIni(draft));
    const { name, clusterId, port, logDir, nursery, warnings } = readRouterConfig(file);
    assert.equal([name, clusterId, port, logDir, warnings], ['r0', 'all', 5000, folder, []]);
    assert.equal(toKeeperConfig({ nursery }), keeper);
    assert.ok(readRouterConfig(file).migrator, 'unless it says otherwise');
    writeFileSync(file, renderRouterIni({ ...draft, migrator: false }));
    assert.not(readRouterConfig(file).migrator);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is not UTF-8, and control characters, are refused with their line', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'nursery-config-')), 'c.ini');
  const write = (end: string, encoding: BufferEncoding): void =>
    writeFileSync(file, Buffer.from([...GLOBAL, ...N0, ...N1, end].join('\r\n'), encoding));
  try {
    write('label = h\u00fctte', 'utf8');
    assert.is(readClusterConfig(file).nodes[1]?.label, 'h\u00fctte');
    write('label = h\u00fctte', 'latin1');
    assert.throws(
      () => readClusterConfig(file),
      ends(`${file}:14: this line is not UTF-8 (Latin-1, or UTF-16?); save the file as UTF-8`),
    );
  } finally {
    rmSync(dirname(file), { recursive: true });
  }
  refused(
    { n0: ['label = a\u001b[2J'] },
    'c.ini:9: "label = a\\u001b[2J": there is a control character in it; remove it',
  );
  refused({ n0: ['tlog_dir = /a\u0000b'] }, /c\.ini:9: .*control character/);
  refused({ n0: ['label = a\tb'] }, /label = a\tb: allowed is text without control characters/);
  assert.is(cluster({ n0: ['label\t=\tb'] }).nodes[0]?.label, 'b');
  refused({ global: ['pool = a\tb'] }, /pool = a\tb: allowed is text without control characters/);
  assert.equal([cluster({}).pool, cluster({ global: ['pool = eu'] }).pool], ['', 'eu']);
  refused({ n0: ['rack = a\tb'] }, /rack = a\tb: allowed is text without control characters/);
});

test('two members at one disk, machine or rack are refused, unless the file allows it by name', () => {
  const at = (n0: string[], end: string[], global: string[] = []) => ({ global, n0, end });
  refused(at(['rack = r1'], ['rack = r1']), /\[n1\] rack = r1: n0 is at rack r1, too, and both would fail/);
  refused(at(['machine = m', 'rack = r'], ['machine = m', 'rack = r']), /\[n1\] machine = m: .* put m into/);
  refused(at(['disk = sda'], ['disk = sda']), /n0 is at disk sda, too/);
  const apart = at(['disk = sda', 'machine = a', 'rack = r1'], ['disk = sda', 'machine = b', 'rack = r2']);
  assert.equal(cluster(apart).nodes[1]?.places, { disk: 'sda', machine: 'b', rack: 'r2' });
  // Who may share a machine may share its rack.
  const together = at(['machine = m', 'rack = r'], ['machine = m', 'rack = r'], ['shared_places = x, m']);
  assert.equal(cluster(together).sharedPlaces, ['x', 'm']);
  // A learner has no vote, and is missed by nobody.
  assert.is(cluster(at(['rack = r1'], ['rack = r1', 'learner = true'])).nodes.length, 2);
  // Whoever only asks is not kept from that.
  const text = [...GLOBAL, ...N0, 'rack = r', ...N1, 'rack = r'].join('\n');
  assert.is(clusterConfigOf(parseIni('c.ini', text), 'client').nodes.length, 2);
});

test('somebody has a vote', () => {
  const alone = [...GLOBAL.map((line) => line.replace(', n1', '')), ...N0, 'learner = true'];
  const why =
    /c\.ini:9: \[n0\] learner = true: a learner has no vote, and no node of the cluster would have one/;
  assert.throws(() => clusterConfigOf(parseIni('c.ini', alone.join('\n'))), ends(why));
  refused({ n0: ['learner = true'], end: ['learner = true'] }, why);
  assert.is(cluster({ n0: ['learner = true'] }).nodes.length, 2);
});

test('the store has its directory for itself', () => {
  for (const [key, value] of [
    ['tlog_dir', '/data/n0/store'],
    ['tlog_dir', '/data/n0/./store/tlog'],
    ['log_dir', '/data/n1/../n0/store'],
  ]) {
    refused(
      { n0: [`${key} = ${value}`] },
      `c.ini:9: [n0] ${key} = ${value}: /data/n0/store is for the store alone, which may be deleted as a repair; choose another directory`,
    );
  }
  for (const value of ['/data/n0', '/data/n0/stores', '/data/n0/..store', '/data'])
    assert.is(cluster({ n0: [`tlog_dir = ${value}`] }).nodes[0]?.tlogDir, value);
});

test('addresses that take one port twice, or are of no machine', () => {
  const at = (ip: string): ClusterIni =>
    clusterConfigOf(
      parseIni('c.ini', [...GLOBAL, ...N0, ...N1].join('\n').replace('ip = 127.0.0.1', `ip = ${ip}`)),
    );
  for (const ip of [
    '0.0.0.0, 127.0.0.1',
    '::1, ::',
    '[::], 127.0.0.1',
    '0.0.0.0, 0:0::0',
    'localhost, 0.0.0.0',
  ])
    assert.throws(() => at(ip), ends(/c\.ini:5: .* stands for every address of the machine/), ip);
  for (const ip of ['0.0.0.0', '0.0.0.0, ::1%lo', '::', '127.0.0.1, ::1']) at(ip);
  for (const ip of ['224.0.0.1', '255.255.255.255', 'ff02::1', 'FF02::1%lo', '::ffff:239.1.1.1'])
    assert.throws(() => at(ip), ends(/that is no address of one machine/), ip);
});

test('a file that cannot be read is named', () => {
  assert.throws(
    () => readClusterConfig('/dev/zero'),
    ends('/dev/zero: a configuration has at most 1048576 bytes'),
  );
  assert.throws(
    () => readClusterConfig(tmpdir()),
    ends(/cannot be read: it is a directory, where a file is wanted$/),
  );
  assert.throws(() => readClusterConfig('/nowhere/c.ini'), ends(/^\/nowhere\/c\.ini: .* it is missing$/));
});

function refused(more: Parameters<typeof cluster>[0], message: string | RegExp): void {
  assert.throws(() => cluster(more), ends(message), String(message));
}

/** Ends the process as a configuration error does, with this message. */
function ends(message: string | RegExp) {
  return (error: unknown): boolean =>
    error instanceof FatalError &&
    error.exitCode === EXIT_CODES.CONFIG &&
    (typeof message === 'string' ? error.message === message : message.test(error.message));
}

test.run();
