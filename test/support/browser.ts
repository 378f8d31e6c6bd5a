/** A browser for tests of the dashboard: Debian's chromium, where it is installed. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** How bad a finding of axe may be that is let pass. */
const LET_PASS: ReadonlySet<string | null | undefined> = new Set(['minor', 'moderate']);

/** Whether there is one; else what needs it is skipped. */
export const HAS_BROWSER = existsSync(CHROMIUM);
/** How a test says so: the test command repeats it at its end. */
export const NO_BROWSER = `skipped: there is no ${CHROMIUM}; apt-get install chromium`;

export async function openBrowser(): Promise<Browser> {
  // Whoever tests may be root, where chromium has no sandbox, and /dev/shm may be small.
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

/** What the page complains of in its console, the browser about its policy for one. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return complaints;
}

/** What axe finds that is serious, one line each. It is brought in from outside: the page's policy lets no script in. */
export async function seriousOf(page: Page): Promise<string[]> {
  const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await page.evaluate(source);
  const results = (await page.evaluate('axe.run()')) as AxeResults;
  return results.violations
    .filter(({ impact }) => !LET_PASS.has(impact))
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
}
