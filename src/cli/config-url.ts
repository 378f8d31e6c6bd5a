/**
 * Configurations that a cluster holds: `arakoon://CLUSTER/KEY?ini=FILE`, as Arakoon has it. FILE is the configuration of that cluster,
 * or of a router in front of it.
 */
import { FatalError, NurseryError } from '../base/errors.ts';
import { provideIni } from '../config/ini.ts';
import { readTarget, withClient } from './connections.ts';

const SCHEME = 'arakoon://';
const FORM = 'arakoon://CLUSTER/KEY?ini=FILE is wanted';

type ConfigUrl = { readonly cluster: string; readonly path: string; readonly ini: string };

/** What a URL says; null where the words are none. @throws FatalError CONFIG */
export function parseConfigUrl(text: string): ConfigUrl | null {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1];
  if (scheme === undefined) return null;
  if (scheme === 'etcd') {
    throw new FatalError('CONFIG', `${text}: etcd is not asked; write the configuration to a file first`);
  }
  const parts = new RegExp(`^${SCHEME}([^/?]+)(/[^?]+)\\?ini=([^&]+)$`).exec(text);
  if (parts === null) throw new FatalError('CONFIG', `${text}: ${FORM}`);
  const [, cluster = '', path = '', ini = ''] = parts;
  try {
    return {
      cluster: decodeURIComponent(cluster),
      path: decodeURIComponent(path),
      ini: decodeURIComponent(ini),
    };
  } catch (error) {
    throw new FatalError('CONFIG', `${text}: ${FORM}, with % before two hexadecimal digits only`, {
      cause: error,
    });
  }
}

/**
 * Fetches every configuration that `given` names so, before any command reads it.
 *
 * @throws FatalError CONFIG where there is none, or the file is of another cluster
 * @throws NurseryError where the cluster does not answer
 */
export async function fetchConfigs(given: readonly string[]): Promise<void> {
  for (const [index, word] of given.entries()) {
    if (word === '--') return;
    const value = word.startsWith('--config=') ? word.slice('--config='.length) : given[index + 1];
    if (!/^--config(=|$)/.test(word) || value === undefined) continue;
    const url = parseConfigUrl(value);
    if (url !== null) provideIni(value, await fetchConfig(value, url));
  }
}

/** Arakoon takes the path as it is for the key, its slash too; without it is what people mean. */
async function fetchConfig(text: string, { cluster, path, ini }: ConfigUrl): Promise<Buffer> {
  const { front } = readTarget(ini);
  if (front.cluster !== cluster)
    throw new FatalError('CONFIG', `${text}: ${ini} is of cluster ${front.cluster}, not of ${cluster}`);
  const keys = [path, path.slice(1)];
  const values = await withClient(ini, (client) => client.multiGetOption(keys)).catch((error: unknown) => {
    if (!(error instanceof NurseryError)) throw error;
    throw new NurseryError(error.code, `${text}: ${error.message}`, { cause: error });
  });
  const found = values.find((value) => value !== null);
  if (found !== undefined && found !== null) return found;
  throw new FatalError('CONFIG', `${text}: cluster ${cluster} has neither the key ${keys.join(' nor ')}`);
}
