/** docs/arakoon.md: each thing of Arakoon's is there, with one of three words. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { REQUESTS, type RequestKind, rowOf } from '../../src/protocol/arakoon/request-table.ts';

const PAGE = readFileSync('docs/arakoon.md', 'utf8');
const CONFIGURATION = readFileSync('docs/configuration.md', 'utf8');

/** Arakoon's commands that have no row of ours. */
const OTHERS = ['0e', '40', '46'];

/** Ours begin above them. */
function isOfArakoon(kind: RequestKind): boolean {
  return rowOf(kind).linksOnly !== true && rowOf(kind).code < 0x80;
}

test('every command code of Arakoon’s has a row', () => {
  const rows = [...PAGE.matchAll(/^\| ([0-9a-f]{2}(?:, [0-9a-f]{2})*) \| (\w+) \|/gm)];
  const codes = rows.flatMap(([, list]) => (list as string).split(', '));
  const kinds = Object.keys(REQUESTS) as RequestKind[];
  const wanted = kinds
    .filter((kind) => isOfArakoon(kind))
    .map((kind) => rowOf(kind).code.toString(16).padStart(2, '0'));
  assert.equal(codes.sort(), [...wanted, ...OTHERS].sort());
});

test('every row of a command says what became of it', () => {
  for (const [, name, what] of PAGE.matchAll(/^\| [0-9a-f]{2}[0-9a-f, ]* \| (\w+) \| (.*) \|$/gm)) {
    assert.match(what as string, /^(same|better|left out|as range)/, name as string);
  }
});

test('what a table says is refused is refused: nobody answers it at a node', () => {
  for (const kind of Object.keys(REQUESTS) as RequestKind[]) {
    const { code, by } = rowOf(kind);
    if (!isOfArakoon(kind)) continue;
    const row = new RegExp(`^\\| ${code.toString(16).padStart(2, '0')} \\| \\w+ \\| (.*) \\|$`, 'm').exec(
      PAGE,
    );
    const isLeftOut = row?.[1]?.startsWith('left out') === true;
    assert.is(by === 'nobody', isLeftOut, kind);
  }
});

test('what is about one node is said to be refused by a router', () => {
  for (const kind of Object.keys(REQUESTS) as RequestKind[]) {
    const { code, names } = rowOf(kind);
    if (names !== 'node' || !isOfArakoon(kind)) continue;
    const row = new RegExp(`^\\| ${code.toString(16).padStart(2, '0')} \\| \\w+ \\| (.*) \\|$`, 'm').exec(
      PAGE,
    );
    assert.match(row?.[1] ?? '', /\*router\*: 20|left out \(20\)/, kind);
  }
});

test('every return code is named', () => {
  for (const [name, code] of Object.entries(RETURN_CODES)) {
    assert.match(PAGE, new RegExp(`\\b${code.toString(16).padStart(2, '0')}\\b`), name);
  }
});

const FLAGS = `--node -config -daemonize -catchup-only -source-node -autofix -start --test-node --version --set --set-raw --get
  --get-raw --delete --delete-prefix --prefix --range-entries --rev-range-entries --nop --user-function --n-values --who-master
  --expect-progress-possible --statistics --node-state --node-version --ping --drop-master --inspect-cluster --collapse-local
  --collapse-remote --backup-db --copy-db-to-head --inject-as-head --optimize-db --defrag-db --verify-db --dump-store
  --inspect-store --dump-tlog --truncate-tlog --replay-tlogs --compress-tlog --uncompress-tlog --make-tlog --strip-tlog
  --mark-tlog --unsafe-close-tlog --dev-set-store --dev-fiddle-store-i -load-plugin --nursery-init --nursery-migrate
  --nursery-delete -tls-ca-cert -tls-cert -tls-key -tls-version --benchmark --load --list-tests --run-all-tests --run-all-tests-xml --run-some-tests --test-repeat
  --run-system-tests`;

const KEYS = `cluster cluster_id master preferred_master preferred_masters lease_period readonly quorum plugins tlog_max_entries
  tlog_max_size client_buffer_capacity lcnum ncnum tls_ca_cert tls_service tls_service_validate_peer tls_version
  tls_cipher_list enable_tcp_keepalive tcp_keepalive_time tcp_keepalive_intvl tcp_keepalive_probes __tainted_max_value_size
  __tainted_max_buffer_size __tainted_tlog_entries_per_file ip client_port messaging_port home tlog_dir tlx_dir tlf_dir
  head_dir log_dir log_level log_config log_sinks crash_log_sinks batched_transaction_config learner targets witness laggy
  tlog_compression disable_tlog_compression fsync fsync_interval fsync_entries __tainted_fsync_tlog_dir reporting tls_cert
  tls_key collapse_slowdown head_copy_throttling optimize_db_slowdown client_protocol paxos tcp_messaging tlog_map server
  max_entries max_size`;

test('every flag of Arakoon’s command line, and every key of its configuration, is named', () => {
  const words = [...FLAGS.split(/\s+/), ...KEYS.split(/\s+/)];
  assert.equal(
    words.filter((word) => !PAGE.includes(`\`${word}\``)),
    [],
  );
});

test('a key that is the same is described', () => {
  for (const [, keys] of PAGE.matchAll(/^\| ((?:`\w+`(?:, |; )?)+) \| same/gm)) {
    for (const [key] of (keys as string).matchAll(/`\w+`/g)) assert.ok(CONFIGURATION.includes(key), key);
  }
});

test.run();
