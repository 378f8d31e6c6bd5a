/**
 * No order of steps breaks a promise, and from every state there is a way to the end of all trouble; without any one of the rules there
 * is an order that does. `SIM_RESCUE_MODEL=long` lets more happen at a time.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { explore } from './explore.ts';
import { RULES, type Rule } from './rules.ts';
import { SCENARIOS } from './scenarios.ts';

const IS_LONG = process.env['SIM_RESCUE_MODEL'] === 'long';
/** Of one exploration; more would not fit into memory. */
const STATES_MAX = IS_LONG ? 1_000_000 : 50_000;

for (const { name, budget, more, needs } of SCENARIOS) {
  test(name, () => {
    const { states, broken, stuck } = explore(IS_LONG ? { ...budget, ...more } : budget, {
      statesMax: STATES_MAX,
    });
    console.log(`${states} states: ${name}`);
    assert.is(broken, null, broken ?? '');
    assert.is(stuck, null, `nothing leads out of it:\n  ${stuck}`);
  });

  for (const rule of needs)
    test(`${name}; but not that ${RULES[rule]}`, () => {
      const { broken, stuck } = explore(budget, { without: new Set([rule]), statesMax: STATES_MAX });
      assert.ok(broken !== null || stuck !== null, 'nothing is broken without it');
    });
}

test('each rule is needed somewhere', () => {
  const needed = new Set(SCENARIOS.flatMap(({ needs }) => needs));
  assert.equal(
    (Object.keys(RULES) as Rule[]).filter((rule) => !needed.has(rule)),
    [],
  );
});

test.run();
