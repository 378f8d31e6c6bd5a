/**
 * The dashboard of a real nursery in a real browser: idle, under load, while a range moves, with a dead node, without its keeper.
 * `SCREENSHOTS=write` in the environment puts the pictures of these five into docs/dashboard.
 */
import { mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import type { Document } from '../../src/dashboard/document.ts';
import { NO_PROGRESS } from '../../src/protocol/admin/admin.ts';
import { complaintsOf, HAS_BROWSER, NO_BROWSER, openBrowser, seriousOf } from '../support/browser.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { pause, until } from '../support/wait.ts';

const PICTURES = 'docs/dashboard';
/** How long a state may take to be seen (ms), and all of them, on a machine that does much else: half a minute is usual. */
const SEEN_MS = 60_000;
const TEST_MS = 300_000;
/** How often the hand that stands for a migrator notes a beat (ms), and how fast it seems to copy. */
const BEAT_MS = 500;
const BEAT_KEYS = 1000;

const CLIENTS = 4;
/** Between two requests of one client (ms). */
const THINK_MS = 10;

const tests = labSuite('dashboard');

/** A page of the router's, with the token that it has printed. */
async function pageOf(lab: Lab, nursery: TestNursery): Promise<{ page: Page; complaints: string[] }> {
  const browser = await openBrowser();
  lab.closing(() => void browser.close());
  const page = await (await browser.newContext({ viewport: { width: 1100, height: 960 } })).newPage();
  page.setDefaultTimeout(SEEN_MS);
  const complaints = complaintsOf(page);
  await page.goto(urlOf(nursery));
  return { page, complaints };
}

function urlOf(nursery: TestNursery): string {
  return /^dashboard: (\S+)$/m.exec(nursery.router.stdout)?.[1] ?? '';
}

async function stateIs(page: Page, state: string): Promise<void> {
  await page.locator(`#verdict[data-state="${state}"]`).waitFor();
}

async function see(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector, { hasText: text }).first().waitFor();
}

/** What every state has in common: it can be read by everybody, and is what the documents show. */
async function picture(page: Page, name: string, state: string): Promise<void> {
  assert.equal(await seriousOf(page), []);
  await stateIs(page, state);
  console.log(`${name}: seen ${Math.round(performance.now() / 1000)} s after the start`);
  if (process.env['SCREENSHOTS'] !== 'write') return;
  mkdirSync(PICTURES, { recursive: true });
  await page.evaluate('scrollTo(0, 0)');
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** A move that a hand of the test begins, and keeps under way until it is told to stop. */
async function movingByHand(
  lab: Lab,
  nursery: TestNursery,
): Promise<{ mid: number; stop: () => Promise<void> }> {
  const [ams, bru] = nursery.clusters;
  const keeper = new ClusterClient(nursery.keeper.config, { role: 'migrator', node: 'by hand' });
  lab.closing(() => keeper.close());
  const planned = await keeper.command({ kind: 'plan', source: ams.id, target: bru.id, lo: 'm', hi: 'q' });
  if (planned.kind !== 'planned') throw new Error(planned.kind);
  const { mid } = planned;
  const claimed = await keeper.command({ kind: 'claim', mid, tokenSeen: 0 });
  if (claimed.kind !== 'claimed') throw new Error(claimed.kind);
  const { token } = claimed;
  const begun = Date.now();
  let isStopped = false;
  const beats = (async () => {
    for (let beat = 1; !isStopped; beat += 1) {
      const keysCopied = beat * BEAT_KEYS;
      const counted = { keysCopied, bytesCopied: keysCopied * 120, keysTotal: 120_000, startedAtMs: begun };
      const progress = { ...NO_PROGRESS, stage: 'copying', ...counted };
      await keeper.command({ kind: 'note', mid, token, progress });
      await pause(BEAT_MS);
    }
  })();
  return {
    mid,
    stop: async () => {
      isStopped = true;
      await beats;
    },
  };
}

/** Clients that read four times as often as they write, until they are told to stop. */
async function loadOf(nursery: TestNursery, keys: readonly string[]): Promise<{ stop: () => Promise<void> }> {
  const callers = await nursery.callers(CLIENTS);
  let isStopped = false;
  const clients = callers.map(async ({ call }, at) => {
    for (let turn = at; !isStopped; turn += 1) {
      const key = keys[(turn * 31) % keys.length] as string;
      await call(async (client) => {
        if (turn % 5 === 0) await client.set(key, 'w'.repeat(200));
        else await client.get(key);
      });
      await pause(THINK_MS);
    }
  });
  const ended = Promise.allSettled(clients); // one that fails is told of by who stops them
  return {
    stop: async () => {
      isStopped = true;
      await ended;
      await Promise.all(clients);
    },
  };
}

async function fiveStates(lab: Lab): Promise<void> {
  const nursery = await TestNursery.start(lab, { prefix: 'eu', keeperSize: 1, size: [3, 1] });
  const [ams, bru] = nursery.clusters;
  const keys = ['a', 'd', 'h', 'm', 'q', 'w'].flatMap((head) =>
    Array.from({ length: 200 }, (_, at) => `${head}${String(at).padStart(4, '0')}`),
  );
  await nursery.fill(keys, 'v'.repeat(200));
  await nursery.succeed(['migrate', '--range', 'h..m', '--to', bru.id]);
  const { page, complaints } = await pageOf(lab, nursery);

  await stateIs(page, 'healthy');
  await see(page, '#lanes li', `${bru.id}1 range, 200 keys`);
  await see(page, '#clusters', `${ams.id}_0`);
  await see(page, '#visitors li', 'router eu-router from');
  await picture(page, 'idle', 'healthy');
  const [node] = ams.nodes;
  await until('a node to show what its own file leads to', async () => {
    const said = await fetch(`http://127.0.0.1:${node?.clientPort}/dashboard/document`);
    const { process: of, takesActions, map } = (await said.json()) as Document;
    assert.equal([of.kind, of.name, takesActions], ['node', node?.name, false]);
    return map.version !== null && map.ranges === 3;
  });

  const load = await loadOf(nursery, keys);
  await see(page, '#rates-words', /[1-9].* reads, .*[1-9].* updates, 0 failed/);
  await page.waitForResponse((response) => response.url().endsWith('/document'));
  await picture(page, 'load', 'healthy');

  // Begun at the page, and carried out by a migrator.
  const migrator = lab.start('migrator', ['migrator', '--config', nursery.file]);
  await page.locator('#start > summary').click();
  await page.locator('#from').fill('q');
  await page.locator('#target').selectOption(bru.id);
  await page.getByRole('button', { name: 'What would be moved?' }).click();
  await see(page, '#planned li', `[q .. end) ${ams.id} (`);
  await page.getByRole('button', { name: 'Begin' }).click();
  await see(page, '#said', /begun: \d+/);
  await until('the move to be done', async () => (await nursery.owners()).get('q') === bru.id);
  await page.locator('#past > summary').click();
  await see(page, '#ended li', '[q .. end)');
  await migrator.terminate();
  for (const id of ['past', 'start']) await page.locator(`#${id} > summary`).click();

  const { mid, stop } = await movingByHand(lab, nursery);
  await see(page, '#open .move-words', /of 120 k keys, .* keys\/s · \d+ \w+ left/);
  await picture(page, 'move', 'healthy');
  await stop();
  await load.stop();
  await see(page, '.finding', 'no migrator works on migration');
  await see(page, '#open .waiting', 'no migrator works on it');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: `abort move ${mid}` }).click();
  await see(page, '#moves-words', 'No range is moving.');
  await stateIs(page, 'healthy');

  const dead = ams.nodes.find(({ name }) => name !== `${ams.id}_0`)?.name ?? '';
  await ams.process(dead).kill();
  await see(page, '.finding', `${dead} of ${ams.id} does not answer`);
  await see(page, '#clusters tr[data-state="silent"]', dead);
  await see(page, '.finding .since', 'by the clock of');
  await picture(page, 'dead-node', 'atRisk');
  ams.startNode(dead);
  await stateIs(page, 'healthy');

  await nursery.keeper.killAll();
  await see(page, '.finding', `the keeper, cluster ${nursery.keeper.id}, does not answer`);
  await see(page, '#moves-words', 'Nothing is known of moves');
  await see(page, '#lanes li', bru.id); // as the router heard it last
  await picture(page, 'keeper-silent', 'atRisk');

  // With the router its token goes, and the page stays.
  assert.equal(complaints, []);
  await nursery.router.kill();
  await stateIs(page, 'unknown');
  await nursery.startRouter();
  await see(page, '.finding', 'does not answer');
}

if (HAS_BROWSER)
  tests.test('idle, load, a move, a dead node, a silent keeper: each is seen at once', fiveStates, TEST_MS);
else console.log(NO_BROWSER);

tests.run();
