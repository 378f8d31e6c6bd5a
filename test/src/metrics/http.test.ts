/** What supervisors and Prometheus ask over HTTP: paths, and how often the metrics are made. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { single } from '../../../src/metrics/families.ts';
import { SCRAPE_EVERY_MS, Watch } from '../../../src/metrics/http.ts';
import { until } from '../../support/wait.ts';

class Site {
  /** How often metrics were made. */
  made = 0;
  why: string | null = null;
  readonly failed: Error[] = [];
  isBroken = false;
  readonly #server = createServer((request, response) => this.#watch.answer(request, response));
  readonly #watch = new Watch(
    () => ({
      why: () => this.why,
      families: () => {
        this.made += 1;
        if (this.isBroken) throw new Error('broken');
        return [single({ name: 'nursery_made', kind: 'counter', help: 'how often' }, this.made)];
      },
    }),
    (error) => this.failed.push(error),
  );

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async ask(path: string, method = 'GET'): Promise<{ readonly status: number; readonly text: string }> {
    const { port } = this.#server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { connection: 'close' },
    });
    return { status: response.status, text: await response.text() };
  }

  close(): void {
    this.#server.close();
  }
}

const tests = suite<{ site: Site }>('watching over HTTP');
tests.before.each(async (context) => {
  context.site = await new Site().start();
});
tests.after.each(({ site }) => site.close());

tests('a query, and a slash at the end, change nothing', async ({ site }) => {
  for (const query of ['', '?', '?x=1', '/', '/?x=/y']) {
    assert.equal(await site.ask(`/healthz${query}`), { status: 200, text: 'alive\n' }, query);
    assert.equal(await site.ask(`/readyz${query}`), { status: 200, text: '{"ok":true,"why":""}\n' }, query);
    assert.match((await site.ask(`/metrics${query}`)).text, 'nursery_made ', query);
  }
  for (const path of ['/', '/healthzz', '/healthz//', '/x?/healthz', '/metrics/x'])
    assert.is((await site.ask(path)).status, 404, path);
});

tests('what is not ready says why, and only GET and HEAD are known', async ({ site }) => {
  site.why = 'no master';
  assert.equal(await site.ask('/readyz'), { status: 503, text: '{"ok":false,"why":"no master"}\n' });
  assert.equal(await site.ask('/healthz', 'HEAD'), { status: 200, text: '' });
  assert.is((await site.ask('/metrics', 'POST')).status, 405);
  assert.is(site.made, 0);
});

tests('however many ask, metrics are made once in a while; the answer is the same', async ({ site }) => {
  const beganMs = performance.now();
  const answers = await Promise.all(Array.from({ length: 100 }, () => site.ask('/metrics')));
  const times = 1 + Math.floor((performance.now() - beganMs) / SCRAPE_EVERY_MS);
  assert.ok(site.made <= times, `${site.made} times, of ${times}`);
  assert.ok(new Set(answers.map(({ text }) => text)).size <= times);
  const { made } = site;
  await until('others to be made', async () => {
    await site.ask('/metrics');
    return site.made > made;
  });
});

tests('metrics that fail are told, and not tried more often', async ({ site }) => {
  site.isBroken = true;
  const answers = await Promise.all([1, 2, 3].map(() => site.ask('/metrics')));
  for (const { status } of answers) assert.is(status, 500);
  assert.is(site.failed.length, site.made);
  assert.match(site.failed[0]?.message ?? '', 'broken');
  site.isBroken = false;
  await until('them to be well again', async () => (await site.ask('/metrics')).status === 200);
});

tests.run();
