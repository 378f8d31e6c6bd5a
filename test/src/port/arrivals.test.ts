import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { afterArrivals, arrived } from '../../../src/port/arrivals.ts';
import { until } from '../../support/wait.ts';
import { Bench } from './raw.ts';

/** Connections that come at once. */
const CROWD = 200;
/** How long each piece of work takes (ms). */
const WORK_MS = 2;

test('work runs in the next round where nobody comes', async () => {
  let ran = false;
  afterArrivals(() => {
    ran = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(ran);
});

test('work gives way for as long as somebody comes each round, up to a bound', async () => {
  let ran = false;
  afterArrivals(() => {
    ran = true;
  });
  for (let round = 0; round < 32; round += 1) {
    arrived();
    await new Promise((resolve) => setImmediate(resolve));
    assert.not.ok(ran, `round ${round}`);
  }
  arrived();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(ran);
});

test('connections are accepted before work goes on, not one for each piece of it', async () => {
  const bench = await new Bench().listen();
  let pieces = 0;
  let isOver = false;
  const work = (): void => {
    pieces += 1;
    for (const untilMs = performance.now() + WORK_MS; performance.now() < untilMs; );
    if (!isOver) afterArrivals(work);
  };
  const crowd = Array.from({ length: CROWD }, () => connect({ port: bench.port.port, host: '127.0.0.1' }));
  const connected = Promise.all(crowd.map((socket) => once(socket, 'connect')));
  work();
  await connected;
  await until('all of them to be accepted', () => bench.port.seats.open === CROWD);
  isOver = true;
  assert.ok(pieces < CROWD / 4, `${pieces} pieces of work for ${CROWD} connections`);
  for (const socket of crowd) socket.destroy();
  await bench.port.close();
});

test.run();
