/** A node in the process of somebody else: what does not start leaves nothing behind, and can be started again. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startNode } from '../../node/main.ts';
import { FatalError } from '../../src/base/errors.ts';
import { nodeOf, readClusterConfig } from '../../src/config/cluster-config.ts';
import { SILENT } from '../../src/process/log.ts';

/** Files below `dir` that this process has open. */
function openFiles(dir: string): string[] {
  const paths = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ''; // the one that listed them
    }
  });
  return paths.filter((path) => path.startsWith(dir));
}

function listen(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

test('a port that is taken: everything is closed again, and the same home starts once it is free', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-main-'));
  const server = await listen();
  const { port } = server.address() as AddressInfo;
  const file = join(dir, 'one.ini');
  writeFileSync(
    file,
    `[global]\ncluster = one\ncluster_id = one\n[one]\nip = 127.0.0.1\nclient_port = ${port}\nhome = ${join(dir, 'home')}\n`,
  );
  const ini = readClusterConfig(file);
  const options = {
    ini,
    node: nodeOf(ini, 'one'),
    logger: SILENT,
    bootstrap: false,
    waits: () => undefined,
    stop: (error: FatalError) => {
      throw error;
    },
  };
  const failure = await startNode(options).catch((error: unknown) => error);
  assert.instance(failure, FatalError);
  assert.match((failure as FatalError).message, String(port));
  assert.equal(openFiles(dir), [], 'nothing of the home is open any more');
  await new Promise((resolve) => server.close(resolve));
  for (let times = 0; times < 2; times += 1) {
    const node = await startNode(options);
    assert.is(node.clientPort, port);
    await node.close();
  }
  rmSync(dir, { recursive: true });
});

test.run();
