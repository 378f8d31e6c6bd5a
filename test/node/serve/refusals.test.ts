/** What no node carries out is refused with what to do instead. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { refuse } from '../../../node/serve/refusals.ts';
import { messageOf, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

const INTERVAL = { publicBegin: null, publicEnd: null, privateBegin: null, privateEnd: null };
const NOTHING = Buffer.alloc(0);

test('what would move keys behind the range map', () => {
  for (const [name, request] of [
    ['set_interval', { kind: 'setInterval', interval: INTERVAL }],
    ['set_routing', { kind: 'setRouting', routing: NOTHING }],
    ['set_routing_delta', { kind: 'setRoutingDelta', left: 'a', separator: 'm', right: 'b' }],
    ['migrate_range', { kind: 'migrateRange', interval: INTERVAL, update: NOTHING }],
  ] as const) {
    const { bytes } = refuse(request);
    assert.is(returnCodeOf(bytes), 0x20);
    assert.match(messageOf(bytes).toString(), new RegExp(`^${name}: .*nursery init, migrate and remove`));
  }
});

test.run();
