/** Words that name a configuration in a cluster. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FatalError } from '../../../src/base/errors.ts';
import { parseConfigUrl } from '../../../src/cli/config-url.ts';
import { folderOf, provideIni, readIni, readIniText } from '../../../src/config/ini.ts';

test('a URL has a cluster, a path and a file; a path of a file has none of these', () => {
  assert.is(parseConfigUrl('/etc/ams.ini'), null);
  assert.is(parseConfigUrl('ams.ini'), null);
  assert.equal(parseConfigUrl('arakoon://config/ovs/arakoon/ams?ini=/etc/config.ini'), {
    cluster: 'config',
    path: '/ovs/arakoon/ams',
    ini: '/etc/config.ini',
  });
  assert.equal(parseConfigUrl('arakoon://a%20b/k%2fk?ini=%2Ftmp%2Fx.ini'), {
    cluster: 'a b',
    path: '/k/k',
    ini: '/tmp/x.ini',
  });
});

test('what is no such URL is refused with what is wanted', () => {
  for (const text of [
    'arakoon://config',
    'arakoon://config/key',
    'arakoon:///key?ini=f',
    'arakoon://c/%zz?ini=f',
  ]) {
    assert.throws(
      () => parseConfigUrl(text),
      (error: unknown) =>
        error instanceof FatalError && /arakoon:\/\/CLUSTER\/KEY\?ini=FILE/.test(error.message),
      text,
    );
  }
  assert.throws(() => parseConfigUrl('etcd://host:2379/path'), /etcd is not asked/);
  assert.throws(() => parseConfigUrl('http://host/path'), /is wanted/);
});

test('what was fetched is read as a file is, and complaints name its URL', () => {
  const url = 'arakoon://config/key?ini=f';
  provideIni(url, Buffer.from('[global]\nno key\n'));
  assert.is(readIniText(url), '[global]\nno key\n');
  assert.throws(() => readIni(url), /^arakoon:\/\/config\/key\?ini=f:2: no key/);
  assert.is(folderOf(url), '.', 'a log goes to the working directory');
  assert.is(folderOf('/etc/nursery/router.ini'), '/etc/nursery');
});

test.run();
