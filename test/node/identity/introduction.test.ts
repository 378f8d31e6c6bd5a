/** A node and its keeper: what it asks, whose word it takes, and how it stops (docs/architecture.md, "Identity"). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEEPER, LIFE, Meeting, STAGING, says } from './meeting.ts';

const tests = suite('a node and its keeper');

const OTHERS = ['b', 'c'];

tests('an empty home founds nothing before its keeper has said that the id is free', () => {
  const meeting = new Meeting();
  meeting.pass(20_000);
  assert.is(meeting.introduction.founding, '');
  assert.match(meeting.introduction.notes.join(), /founds nothing before the keeper has said/);
  meeting.answer = () => says('notKeeper', 'no');
  meeting.pass(20_000);
  assert.is(meeting.introduction.founding, '');
  meeting.answer = () => says('free');
  meeting.pass(1000);
  assert.is(meeting.introduction.founding, LIFE);
});

tests('an empty home whose id is taken stops once the others know that it was empty', () => {
  const meeting = new Meeting(['a', ...OTHERS]);
  meeting.answer = () => says('taken', 'cluster ams is founding 1234');
  for (const other of OTHERS) meeting.hearsEmpty(other);
  meeting.pass(10_000);
  assert.equal(meeting.stops, [], 'the others would wait for it');
  assert.match(meeting.introduction.notes.join(), /founds no second cluster ams/);
  for (const other of OTHERS) meeting.isAskedBy(other);
  const saidMs = meeting.world.nowMs;
  meeting.pass(2000);
  const [stop] = meeting.stops;
  assert.is(stop?.exit, 'OTHER_CLUSTER');
  assert.match(
    stop?.why ?? '',
    /nothing is founded: cluster ams is founding 1234.*another working directory/,
  );
  assert.ok((stop?.atMs ?? 0) >= saidMs + 300, 'what it said may not have left it');
});

tests('an empty home beside others that are silent goes on asking: it may be a wiped member', () => {
  const meeting = new Meeting(['a', ...OTHERS]);
  meeting.answer = () => says('taken', 'taken');
  meeting.hearsEmpty('b');
  meeting.isAskedBy('b');
  meeting.pass(60_000);
  assert.equal(meeting.stops, []);
});

tests('a founding that is refused tells its peers, and stops once that has left it', () => {
  const meeting = new Meeting();
  meeting.answer = () => says('free');
  meeting.pass(1000);
  meeting.answer = () => says('taken', 'ams is another one');
  meeting.pass(3000);
  const word = meeting.told.find((each) => each.word.refused === 'ams is another one');
  assert.equal(word?.word, { founding: LIFE, serves: false, refused: 'ams is another one' });
  const [stop] = meeting.stops;
  assert.is(stop?.exit, 'OTHER_CLUSTER');
  assert.ok((stop?.atMs ?? 0) - (word?.atMs ?? 0) >= 300, 'a process that ends at once says nothing');
});

tests('what a peer says of a refusal counts for the same founding alone, and before it is bound', () => {
  const free = new Meeting();
  free.answer = () => says('free');
  free.pass(1000);
  free.introduction.heard({ founding: 'e'.repeat(32), serves: false, refused: 'taken' });
  free.pass(3000);
  assert.equal(free.stops, []);
  free.introduction.heard({ founding: LIFE, serves: false, refused: 'taken' });
  free.pass(3000);
  assert.is(free.stops[0]?.exit, 'OTHER_CLUSTER');

  const bound = new Meeting().bound();
  bound.introduction.heard({ founding: LIFE, serves: false, refused: 'taken' });
  bound.pass(3000);
  assert.equal(bound.stops, []);
});

tests('another keeper is heard by nobody, whatever it says', () => {
  for (const verdict of ['inForce', 'free', 'taken', 'unfit', 'dead', 'foreign'] as const) {
    const meeting = new Meeting().bound();
    meeting.asked.length = 0;
    meeting.answer = () => says(verdict, 'elsewhere', STAGING);
    meeting.pass(10_000);
    assert.equal(meeting.stops, [], verdict);
    assert.match(meeting.introduction.notes.join(), /does not listen to another/, verdict);
    assert.is(meeting.introduction.refusal === null, false, `${verdict}: it serves by that word`);
    const told = meeting.asked.some(
      (question) => question.kind === 'command' && question.command.kind === 'introduce',
    );
    assert.is(told, verdict === 'foreign', `${verdict}: a new keeper is told whose this cluster is`);
  }
});

tests('after the word of another keeper, who serves nothing yet asks again soon; who serves does not', () => {
  const meeting = new Meeting().bound();
  meeting.answer = () => says('inForce', '', STAGING);
  meeting.pass(1000);
  meeting.answer = () => says('inForce');
  meeting.pass(500);
  assert.is(meeting.introduction.refusal, null);
  meeting.answer = () => says('inForce', '', STAGING);
  meeting.pass(4000);
  meeting.asked.length = 0;
  meeting.pass(4000);
  assert.ok(meeting.asked.length <= 3, `asked ${meeting.asked.length} times`);
});

tests('while its own keeper has no map yet, who serves nothing asks again soon; who serves does not', () => {
  // Both own what they were given under a keeper that is lost, belong to the one in its place, and ask it before it is told.
  const refuses = (meeting: Meeting): void => {
    meeting.answer = ({ kind }) => says(kind === 'query' ? 'free' : 'unfit', 'no map yet', KEEPER, true);
  };
  const owner = (): Meeting => {
    const meeting = new Meeting();
    meeting.answer = () => says('free');
    meeting.pass(1000);
    meeting.propose({ kind: 'assume', epoch: 1 });
    return meeting.bound();
  };
  const waits = owner();
  refuses(waits);
  waits.pass(10_000);
  waits.asked.length = 0;
  waits.pass(10_000);
  assert.is(waits.introduction.refusal === null, false, 'it serves by that word');
  const asks = waits.asked.length / 2; // a question and an introduction
  assert.ok(asks >= 20 && asks <= 40, `asked ${asks} times in ten seconds`);
  const notes = waits.introduction.notes.join();
  assert.match(notes, /waiting until the keeper has been told whose place it takes: no map yet/);
  assert.not.match(notes, /in no nursery|goes on by itself/);
  waits.answer = () => says('inForce');
  waits.pass(500);
  assert.is(waits.introduction.refusal, null, 'the keeper has its map, and half a second has passed');

  const serves = owner();
  serves.answer = () => says('inForce');
  serves.pass(1000);
  refuses(serves);
  serves.pass(10_000);
  serves.asked.length = 0;
  serves.pass(10_000);
  assert.ok(serves.asked.length <= 2 * 6, `asked ${serves.asked.length} times in ten seconds`);
  assert.is(serves.introduction.refusal, null);
  assert.equal([...waits.stops, ...serves.stops], []);
});

tests('its own keeper says that it is over: it stops', () => {
  const meeting = new Meeting().bound();
  meeting.answer = () => says('dead', 'over, for ever');
  meeting.pass(3000);
  assert.is(meeting.stops[0]?.exit, 'OTHER_CLUSTER');
  assert.match(meeting.stops[0]?.why ?? '', /over, for ever/);
});

tests(
  'a founding that waits for its ranges stops where its own keeper says that it is over, and remembers it',
  () => {
    const meeting = new Meeting().unconfirmed('w'.repeat(32));
    meeting.answer = () => says('dead', 'elsewhere', STAGING);
    meeting.pass(10_000);
    for (const verdict of ['taken', 'free', 'unfit'] as const) {
      meeting.answer = () => says(verdict, 'not yet');
      meeting.pass(5000);
    }
    assert.equal(
      meeting.stops,
      [],
      'by the word of another keeper, or since its own has not heard of it yet',
    );
    meeting.answer = () => says('dead', 'founding b took the place of it');
    meeting.pass(3000);
    const [stop] = meeting.stops;
    assert.is(stop?.exit, 'OTHER_CLUSTER');
    assert.match(
      stop?.why ?? '',
      /^founding b took the place of it\. This home, \/homes\/a, .*empty it, and start/,
    );
    assert.is(stop?.over, LIFE);
  },
);

tests('one of its nodes that is no master hears as much', () => {
  const meeting = new Meeting().unconfirmed('w'.repeat(32));
  meeting.world.driver.mayRead = () => false;
  meeting.answer = (question) => (question.kind === 'query' ? says('dead', 'over') : 'nobody asks');
  meeting.pass(3000);
  assert.is(meeting.stops[0]?.over, LIFE);
});

tests('what is not said for ever is not remembered', () => {
  const meeting = new Meeting().bound();
  meeting.answer = () => says('taken', 'named as lost');
  meeting.pass(3000);
  assert.is(meeting.stops[0]?.exit, 'OTHER_CLUSTER');
  assert.is(meeting.stops[0]?.over, null);
});

tests('who meets a cluster of its name that was founded apart goes on where its keeper says so, soon', () => {
  /** A node that the file names is of another founding. */
  const meets = (meeting: Meeting, node: string): void => {
    meeting.world.wished.push(node);
    meeting.world.driver.submit({ kind: 'foreign', from: node, founding: 'o'.repeat(32) });
    meeting.pass(0);
  };
  const free = new Meeting();
  free.answer = () => says('free');
  free.pass(1000);
  meets(free, 'b');
  assert.is(free.world.stops[0]?.exit, 'OTHER_CLUSTER', 'bound to nobody: nobody could know');

  const meeting = new Meeting().bound();
  meeting.answer = () => says('inForce');
  meeting.pass(10_000);
  meets(meeting, 'b');
  meeting.pass(1000);
  assert.match(
    meeting.introduction.notes.join(),
    /b runs in a home of cluster o+, .* of this node, is in force/,
  );
  meeting.pass(10_000);
  assert.equal(meeting.world.stops, []);

  meeting.answer = () => 'silent';
  meets(meeting, 'c');
  meeting.pass(3000);
  meets(meeting, 'd'); // one more is no new wait
  assert.equal(meeting.world.stops, []);
  meeting.pass(2500);
  assert.equal(
    meeting.world.stops.map(({ exit }) => exit),
    ['OTHER_CLUSTER'],
  );
  assert.match(meeting.world.stops[0]?.cause.message ?? '', /b, c, d belong to cluster o+.*founded apart/);
});

tests(
  'a keeper that is new, and knows another one by its id, is waited for: it may not have been told',
  () => {
    const meeting = new Meeting().bound();
    meeting.answer = () => says('taken', 'ams is another one', KEEPER, true);
    meeting.pass(30_000);
    assert.equal(meeting.stops, []);
    assert.match(meeting.introduction.notes.join(), /waiting until the keeper has been told.*ams is another/);
    assert.is(meeting.introduction.refusal === null, false, 'it serves by that word');
    meeting.answer = () => says('inForce');
    meeting.pass(3000);
    assert.is(meeting.introduction.refusal, null);
    assert.not.match(meeting.introduction.notes.join(), /waiting until/);
  },
);

tests(
  'whom a keeper with a map does not know, or takes for another one, serves nothing of what it gave away',
  () => {
    for (const verdict of ['taken', 'unfit'] as const) {
      const meeting = new Meeting();
      meeting.answer = () => says('free');
      meeting.pass(1000);
      meeting.propose({ kind: 'assume', epoch: 1 });
      meeting.bound();
      assert.is(meeting.world.driver.machine.owned().length, 1);
      meeting.answer = () => says(verdict, 'named as lost', KEEPER, true);
      meeting.pass(10_000);
      assert.equal(meeting.stops, [], `${verdict}: it may be told yet`);
      meeting.answer = () => says(verdict, 'named as lost');
      meeting.pass(10_000);
      assert.is(meeting.stops[0]?.exit, 'OTHER_CLUSTER', verdict);
    }
  },
);

tests(
  'an empty home that has joined an old one, which came back, stops when the keeper says that this founding is dead',
  () => {
    for (const verdict of ['taken', 'dead'] as const) {
      const meeting = new Meeting(['a', ...OTHERS]);
      meeting.answer = () => says('taken', 'taken');
      meeting.joins('d'.repeat(32), 'b');
      assert.is(meeting.introduction.founding, 'd'.repeat(32));
      meeting.answer = () => says(verdict, 'over, for ever');
      meeting.pass(10_000);
      // Whether another one is in force its master will tell, which knows its cluster; dead is dead.
      assert.equal(
        meeting.stops.map(({ exit }) => exit),
        verdict === 'dead' ? ['OTHER_CLUSTER'] : [],
        verdict,
      );
    }
  },
);

tests('nothing is served before the keeper, a peer that serves, or the operator says so', () => {
  const asks = new Meeting().bound();
  asks.answer = () => 'silent';
  asks.pass(20_000);
  assert.is(asks.introduction.refusal === null, false);
  asks.introduction.heard({ founding: 'e'.repeat(32), serves: true, refused: '' });
  assert.is(asks.introduction.refusal === null, false, 'of another founding');
  asks.introduction.heard({ founding: LIFE, serves: false, refused: '' });
  assert.is(asks.introduction.refusal === null, false, 'it does not serve itself');
  asks.introduction.heard({ founding: LIFE, serves: true, refused: '' });
  assert.is(asks.introduction.refusal, null);

  const keeper = new Meeting().bound();
  keeper.answer = () => says('inForce');
  keeper.pass(3000);
  assert.is(keeper.introduction.refusal, null);
  keeper.answer = () => 'silent';
  keeper.pass(60_000);
  assert.is(keeper.introduction.refusal, null, 'one that runs goes on without the keeper');

  assert.is(new Meeting(['a'], true).bound().introduction.refusal, null, '--without-keeper');
});

tests.run();
