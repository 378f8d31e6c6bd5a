/** The comparison of what members found: who is right, who is wrong, and when nobody can say. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeFinding, encodeFinding, type Finding, Findings } from '../../../node/scrub/findings.ts';

const MEMBERS = ['a', 'b', 'c'];

function finding(digit: string, slot = 7): Finding {
  return { slot, from: '\x01k', next: null, digest: digit.repeat(64) };
}

function findingsOf(said: { readonly [node: string]: string }, node = 'a'): Findings {
  const findings = new Findings(node);
  for (const [from, digit] of Object.entries(said)) findings.add(from, finding(digit));
  return findings;
}

function kindOf(said: { readonly [node: string]: string }, members: readonly string[] = MEMBERS): string {
  return findingsOf(said).verdict(7, members).kind;
}

test('a finding survives its way over the wire', () => {
  for (const next of [null, '', '\x01\xff\x00']) {
    const sent = { ...finding('e'), next };
    assert.equal(decodeFinding(encodeFinding(sent)), sent);
  }
});

test('nothing is said before this node and a majority have spoken', () => {
  assert.is(kindOf({}), 'open');
  assert.is(kindOf({ a: '1' }), 'open');
  assert.is(kindOf({ b: '1', c: '1' }), 'open');
});

test('a majority that holds the same makes this node sound, and tells who is not', () => {
  assert.equal(findingsOf({ a: '1', b: '1' }).verdict(7, MEMBERS), { kind: 'same', others: [] });
  assert.equal(findingsOf({ a: '1', b: '2', c: '1' }).verdict(7, MEMBERS), { kind: 'same', others: ['b'] });
});

test('a majority that agrees on something else condemns this node', () => {
  const verdict = findingsOf({ a: '1', b: '2', c: '2' }).verdict(7, MEMBERS);
  assert.equal(verdict, { kind: 'differs', mine: finding('1'), theirs: finding('2') });
});

test('a majority is one of the members in force: others have no weight, and those that are silent count', () => {
  assert.is(kindOf({ a: '1', x: '2', y: '2' }), 'open');
  assert.is(kindOf({ a: '1', b: '2', c: '2' }, ['a', 'b', 'c', 'd', 'e']), 'split');
  assert.is(kindOf({ a: '1', b: '2', c: '2', d: '2' }, ['a', 'b', 'c', 'd', 'e']), 'differs');
  assert.is(kindOf({ a: '1', b: '2', c: '2' }, ['b', 'c', 'd']), 'differs', 'a learner can be wrong too');
});

test('members that differ without a majority are split; for good once nobody is left to speak', () => {
  const isFinal = (said: { readonly [node: string]: string }, members: readonly string[]): boolean | null => {
    const verdict = findingsOf(said).verdict(7, members);
    return verdict.kind === 'split' ? verdict.final : null;
  };
  assert.is(isFinal({ a: '1', b: '2' }, ['a', 'b']), true);
  assert.is(isFinal({ a: '1', b: '2' }, MEMBERS), false);
  assert.is(isFinal({ a: '1', b: '2', c: '3' }, MEMBERS), true);
});

test('other rows are other findings, even where the digest is the same', () => {
  const findings = new Findings('a');
  findings.add('a', finding('1'));
  findings.add('b', { ...finding('1'), next: '\x01z' });
  assert.is(findings.verdict(7, ['a', 'b']).kind, 'split');
});

test('the last word of a node counts, and repeating it is nothing new', () => {
  const findings = findingsOf({ a: '1', b: '2' });
  assert.is(findings.add('b', finding('2')), false);
  assert.is(findings.add('b', finding('1')), true);
  assert.is(findings.verdict(7, MEMBERS).kind, 'same');
});

test('slots are judged apart, and only the newest are remembered', () => {
  const findings = new Findings('a');
  for (let slot = 1; slot <= 65; slot += 1) findings.add('a', finding('1', slot));
  assert.is(findings.own(1), null);
  assert.equal(findings.own(2), finding('1', 2));
  findings.add('b', finding('2', 65));
  findings.add('c', finding('2', 65));
  assert.is(findings.verdict(65, MEMBERS).kind, 'differs');
  assert.is(findings.verdict(64, MEMBERS).kind, 'open');
});

test.run();
