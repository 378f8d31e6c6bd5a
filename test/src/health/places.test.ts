/** Which disks, machines and racks a cluster cannot lose. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterSeen } from '../../../src/health/facts.ts';
import { describeFatal, placeFindings, placesOf } from '../../../src/health/places.ts';
import { NO_PLACES, type Places, placeOf, sharedPlace } from '../../../src/identity/places.ts';

type Given = Partial<Places> & { readonly mayShare?: readonly string[]; readonly isSilent?: boolean };

/** A cluster whose members are at these places, the first being master. */
function clusterOf(...all: readonly Given[]): ClusterSeen {
  const members = all.map((_, at) => ({ node: `a${at}`, seen: true, applied: 1 }));
  const nodes = all.map(({ mayShare = [], isSilent = false, ...places }, at) => ({
    name: `a${at}`,
    why: '',
    turnedAway: null,
    facts: isSilent
      ? null
      : {
          status: { cluster: 'a', node: `a${at}`, founding: '', master: 'a0', chosen: 1, members },
          conditions: [],
          places: { ...NO_PLACES, ...places, mayShare },
        },
  }));
  return { cluster: 'a', isElsewhere: false, nodes } as unknown as ClusterSeen;
}

const fatalOf = (cluster: ClusterSeen, without?: string): string[] =>
  placesOf(cluster, without).flatMap(({ name, losesQuorum }) => (losesQuorum ? [name] : []));

test('disks of one name are two where their machines are', () => {
  const at = (disk: string, machine: string, rack = ''): Places => ({ disk, machine, rack });
  assert.is(placeOf('disk', at('sda', 'm')), 'disk sda of machine m');
  assert.is(placeOf('rack', at('sda', 'm')), null);
  assert.is(sharedPlace(at('sda', 'm'), at('sda', 'n')), null);
  assert.is(sharedPlace(at('sda', 'm'), at('sdb', 'm')), 'machine');
  assert.is(sharedPlace(at('sda', 'm', 'r'), at('sda', 'm', 'r')), 'disk');
  assert.is(sharedPlace(at('', '', ''), at('', '', '')), null);
});

test('a place that holds so many that the others are no majority is fatal, now or once one is stopped', () => {
  const three = clusterOf({ rack: 'r1' }, { rack: 'r1' }, { rack: 'r2' });
  assert.equal(fatalOf(three), ['rack r1']);
  assert.is(describeFatal(placesOf(three), 1), 'rack r1 (a0, a1)');
  assert.is(describeFatal(placesOf(three), 0), null, 'none may fail, and that is said');
  assert.equal(fatalOf(clusterOf({ rack: 'r1' }, { rack: 'r2' }, { rack: 'r3' })), []);
  assert.equal(fatalOf(clusterOf({ rack: 'r1' }, { rack: 'r2' }, { rack: 'r3', isSilent: true })), [
    'rack r1',
    'rack r2',
  ]);
  const five = clusterOf({ rack: 'r1' }, { rack: 'r1' }, { rack: 'r2' }, { rack: 'r3' }, { rack: 'r4' });
  assert.equal([fatalOf(five), fatalOf(five, 'a4')], [[], ['rack r1']]);
});

test('what is fatal with all members well is a finding; of places within one another the smallest is named', () => {
  const kinds = (cluster: ClusterSeen): unknown[] =>
    placeFindings(cluster).map(({ kind, severity, what }) => [kind, severity, what.split(' holds')[0]]);
  assert.equal(kinds(clusterOf({ rack: 'r1' }, { rack: 'r1' }, { rack: 'r2' })), [
    ['placeShared', 'atRisk', 'rack r1'],
  ]);
  const mayShare = ['m1'];
  const one = { machine: 'm1', rack: 'r1', mayShare };
  assert.equal(kinds(clusterOf(one, one, { machine: 'm2', rack: 'r2', mayShare })), [
    ['placeShared', 'note', 'machine m1'],
  ]);
  // A rack of several machines is more than each of them.
  const racks = clusterOf(one, { ...one, machine: 'm3' }, { machine: 'm2', rack: 'r2' });
  assert.equal(kinds(racks), [['placeShared', 'atRisk', 'rack r1']]);
  // That a node is down is another finding.
  assert.equal(kinds(clusterOf({ rack: 'r1' }, { rack: 'r2' }, { rack: 'r3', isSilent: true })), []);
  const five = clusterOf({ rack: 'r1' }, { rack: 'r1' }, { rack: 'r2' }, { rack: 'r3' }, { rack: 'r4' });
  assert.equal(kinds(five), []);
  assert.equal(kinds(clusterOf({}, {}, {})), [], 'nobody says where they are');
});

test.run();
