/** The page in a browser, with facts that are made up: whatever they are, it can be read, and used by keyboard. */
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gathered } from '../../src/dashboard/http.ts';
import { complaintsOf, HAS_BROWSER, NO_BROWSER, openBrowser, seriousOf } from '../support/browser.ts';
import { clusterOf, FakeSite, healthy, moveOf, nodeOf, TOKEN } from '../support/dashboards.ts';
import { until } from '../support/wait.ts';

/** All that is sent for the page, at its first visit (bytes). */
const PAGE_BYTES = 200_000;
/** Polls of which the quickest counts, since other tests run beside this one, and what it may take the page (ms). */
const POLLS = 4;
const POLL_MS = 150;

type Context = { browser: Browser; site: FakeSite; page: Page; complaints: string[] };
const tests = suite<Context>('page of the dashboard');

let browser: Browser;
tests.before(async () => {
  browser = await openBrowser();
});
tests.after(() => browser.close());
tests.after.each(async ({ page, site, complaints }) => {
  if (page === undefined) return;
  await page.context().close();
  await site.stop();
  assert.equal(complaints, [], 'what the browser complains of');
});

async function visit(
  context: Context,
  gathered: Gathered,
  options: BrowserContextOptions = {},
): Promise<Page> {
  context.site = new FakeSite(gathered);
  await context.site.start();
  const opened = await browser.newContext({
    viewport: { width: 1100, height: 800 },
    ...options,
  });
  context.page = await opened.newPage();
  context.complaints = complaintsOf(context.page);
  await context.page.goto(context.site.url);
  await stateIs(context.page, gathered.verdict.state);
  return context.page;
}

async function stateIs(page: Page, state: string): Promise<void> {
  await page.locator(`#verdict[data-state="${state}"]`).waitFor();
}

function words(page: Page, selector: string): Promise<string> {
  return page.locator(selector).innerText();
}

/** Everything at once that can be wrong. */
function unwell(): Gathered {
  const silent = { ...nodeOf('ams_1', false), status: null, why: 'connection refused' };
  const conditions = [{ kind: 'full', subject: '', detail: 'no room', sinceMs: 0 }];
  const finding = {
    kind: 'rangeSealed',
    subject: 'x',
    since: { sinceMs: 0, ageMs: 84_000, by: 'ams_0' },
  } as const;
  const base = healthy(6);
  return {
    ...base,
    verdict: { state: 'notServing', words: 'not serving: nobody serves a range (and 2 more)' },
    findings: [
      {
        ...finding,
        severity: 'notServing',
        what: 'nobody serves a range',
        todo: 'go on',
        command: 'nursery migrate --resume',
      },
      {
        ...finding,
        severity: 'atRisk',
        subject: 'y',
        what: 'ams_1 does not answer',
        todo: 'start it',
        command: null,
      },
      {
        ...finding,
        severity: 'note',
        subject: 'z',
        what: 'connections were turned away',
        since: null,
        todo: null,
        command: null,
      },
    ],
    map: {
      ...base.map,
      entries: base.map.entries.map((each, at) => ({ ...each, sealedBy: at === 2 ? 7 : null })),
    },
    clusters: [
      clusterOf('ams', silent, { ...nodeOf('ams_2', false), conditions }),
      ...base.clusters.slice(1),
    ],
    moves: {
      open: [
        moveOf(7, { waitingFor: 'target ams for 12 s', still: { sinceMs: 0, ageMs: 9000, by: 'keeper_0' } }),
      ],
      more: 3,
      ended: [moveOf(6, { phase: 'aborted', why: 'by an operator' })],
    },
    failed: [{ what: 'resume of migration 5', why: 'bru is silent', atMs: 0 }],
  };
}

tests('little is sent, and nothing from elsewhere; the token is out of sight', async (context) => {
  const requested: { readonly url: string; readonly bytes: number }[] = [];
  context.site = new FakeSite(healthy(6));
  await context.site.start();
  context.page = await (await browser.newContext()).newPage();
  const { page, site } = context;
  context.complaints = complaintsOf(page);
  const sizes: Promise<void>[] = [];
  const measure = (request: Request): void => {
    const url = request.url();
    sizes.push(
      request.sizes().then(({ responseBodySize, responseHeadersSize }) => {
        requested.push({ url, bytes: responseBodySize + responseHeadersSize });
      }),
    );
  };
  page.on('requestfinished', measure);
  await page.goto(site.url);
  await stateIs(page, 'healthy');
  page.off('requestfinished', measure); // what is measured while the page closes has no answer
  await Promise.all(sizes);
  assert.ok(requested.every(({ url }) => url.startsWith(site.url.replace(/#.*/, ''))));
  const files = requested.filter(({ url }) => !url.endsWith('/document'));
  const bytes = files.reduce((sum, each) => sum + each.bytes, 0);
  console.log(`the page: ${files.length} files, ${bytes} bytes as sent`);
  assert.ok(bytes <= PAGE_BYTES, `${bytes} bytes`);
  assert.not.match(page.url(), TOKEN);
  assert.is(await page.locator('#token').inputValue(), TOKEN);
  await page.reload();
  assert.is(await page.locator('#token').inputValue(), TOKEN, 'the tab keeps it');
  assert.equal(await page.context().cookies(), []);
});

tests('what is wrong is at the top, with since when and what to type', async (context) => {
  const page = await visit(context, unwell());
  assert.match(await words(page, '#verdict'), 'not serving: nobody serves a range (and 2 more)');
  const findings = await page.locator('.finding').allInnerTexts();
  assert.is(findings.length, 3);
  assert.match(
    findings[0] ?? '',
    /for 84 s, since 1970-01-01 00:00:00 UTC by the clock of ams_0[\s\S]*nursery migrate --resume/,
  );
  assert.match(await page.title(), '✕ not serving');
  assert.match(await words(page, '#clusters'), /ams_1\s+does not answer: connection refused/);
  assert.match(await words(page, '#open'), 'no migrator works on it for 9 s');
  assert.match(await words(page, '#failed'), 'resume of migration 5 failed: bru is silent');
  const first = await page.locator('.finding').first().boundingBox();
  assert.ok(first !== null && first.y + first.height < 400, 'seen without scrolling');
});

for (const [colorScheme, width] of [
  ['light', 1100],
  ['dark', 360],
] as const) {
  tests(
    `axe finds nothing serious, and nothing is wider than the page: ${colorScheme}, ${width}`,
    async (context) => {
      const page = await visit(context, unwell(), { colorScheme, viewport: { width, height: 800 } });
      for (const id of ['ranges', 'start', 'past']) await page.locator(`#${id} > summary`).click();
      assert.equal(await seriousOf(page), []);
      assert.is(await page.evaluate('document.documentElement.scrollWidth'), width);
    },
  );
}

tests('keys are text, whatever is in them', async (context) => {
  const hostile = [
    '<img src=x onerror=document.title="hacked">',
    '\u202egnp.exe',
    'a\u200bb',
    '"><script>0</script>',
    ' k',
  ];
  const gathered = healthy(hostile.length + 1, (at) => hostile[at - 1] ?? '');
  const named = { ...gathered.clusters[0], cluster: '<b>ams</b>' } as (typeof gathered.clusters)[0];
  const page = await visit(context, { ...gathered, clusters: [named, ...gathered.clusters.slice(1)] });
  await page.locator('#ranges > summary').click();
  await page.locator('#ranges tbody tr').first().waitFor();
  const shown = await page.locator('#ranges tbody tr td:first-child').allTextContents();
  assert.equal(shown, [
    'start',
    hostile[0]?.slice(0, 40).concat('…'),
    '\\u{202e}gnp.exe',
    'a\\u{200b}b',
    hostile[3],
    ' k',
  ]);
  assert.is(await page.locator('main img, main b, main script').count(), 0);
  assert.match(await words(page, '#clusters'), '<b>ams</b>');
  assert.match(await page.title(), 'healthy');
});

tests('ranges are chosen by keyboard, and what is chosen is said', async (context) => {
  const page = await visit(context, healthy(6));
  const picture = page.locator('#picture');
  await picture.focus();
  for (const key of ['Home', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
  assert.match(
    (await picture.getAttribute('aria-valuetext')) ?? '',
    /^3 of 6: \[k000002 \.\. k000003\) · bru · /,
  );
  await page.keyboard.press('End');
  assert.match(await words(page, '#range'), '.. end)');
  await until('it to stay chosen over a poll', async () => {
    context.site.gathered = { ...healthy(6), map: { ...healthy(7).map, ranges: 7 } };
    return (await picture.getAttribute('aria-valuemax')) === '7';
  });
  assert.match((await picture.getAttribute('aria-valuetext')) ?? '', /^6 of 7: \[k000005 /);
});

tests('what is busy is dark in the heat map, and said in words', async (context) => {
  const base = healthy(4);
  const entries = base.map.entries.map((each, at) => ({ ...each, keys: 10, perSecond: at === 1 ? 1500 : 0 }));
  const page = await visit(context, { ...base, map: { ...base.map, entries } });
  assert.match(
    await words(page, '#heat-words'),
    'busiest now: [k000001 .. k000002) at bru, 1500 requests a second; darkest: 1500 a second',
  );
  await page.getByLabel('ranges', { exact: true }).check();
  // How opaque the newest row is in the middle of each range.
  const shades = await page.evaluate(`(() => {
    const { width, height } = document.getElementById('heat');
    const { data } = document.getElementById('heat').getContext('2d').getImageData(0, height - 1, width, 1);
    return [1, 3, 5, 7].map((at) => data[4 * Math.floor((at * width) / 8) + 3]);
  })()`);
  assert.equal(shades, [0, 255, 0, 0]);
});

tests('an action is sent with the token; without it the page says what is missing', async (context) => {
  const page = await visit(context, { ...healthy(6), moves: { open: [moveOf(7)], more: 0, ended: [] } });
  const pause = page.getByRole('button', { name: 'pause move 7' });
  await pause.click();
  await page.locator('#said', { hasText: 'pause move 7: done' }).waitFor();
  assert.equal(context.site.asked, [{ action: 'pause', mid: 7 }]);
  page.once('dialog', (dialog) => void dialog.dismiss());
  await page.getByRole('button', { name: 'abort move 7' }).click();
  assert.is(context.site.asked.length, 1, 'it is asked first whether it is meant');
  await page.locator('#start > summary').click();
  await page.locator('#token').fill('wrong');
  await pause.click();
  await page.locator('#said', { hasText: 'this is not the token' }).waitFor();
  assert.equal(context.complaints.splice(0).length, 1, 'the browser tells of the 401');
});

tests('it survives the end of its process: what was known stays, and is said to be old', async (context) => {
  const page = await visit(context, healthy(6));
  await context.site.stop();
  await stateIs(page, 'unknown');
  assert.match(
    await words(page, '#verdict'),
    /router router does not answer \(it cannot be reached\) since \d/,
  );
  assert.match(await words(page, '#lanes'), 'ams');
  await context.site.start();
  await stateIs(page, 'healthy');
  assert.match(context.complaints.splice(0).join(), 'ERR_CONNECTION_REFUSED');
});

tests('a thousand ranges, and each poll, cost little', async (context) => {
  const page = await visit(context, healthy(1000));
  await page.locator('#ranges > summary').click();
  await page.locator('#ranges tbody tr').first().waitFor();
  assert.is(await page.locator('#ranges tbody tr').count(), 25);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const spentS = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
  };
  const costs: number[] = [];
  for (let poll = 0; poll < POLLS; poll += 1) {
    const beganS = await spentS();
    await page.waitForResponse((response) => response.url().endsWith('/document'));
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done)))');
    costs.push(((await spentS()) - beganS) * 1000);
  }
  const costMs = Math.min(...costs);
  console.log(`a poll of 1,000 ranges takes the page ${Math.round(costMs)} ms`);
  assert.ok(costMs < POLL_MS, `${costMs} ms`);
});

if (HAS_BROWSER) tests.run();
else console.log(NO_BROWSER);
