/**
 * Who may ask for the dashboard: a browser that its user has sent here. A page of somebody else can make a browser ask, too: by its
 * own name, which it lets point here (then Host is that name), or from another origin (then Origin says so). Pure.
 */

export type Asking = {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** The address of this machine that the connection came to. */
  readonly localAddress: string | undefined;
};

/** A name or IPv4 address, or an IPv6 address in brackets, and a port or none. */
const HOST = /^(?:([a-z0-9._-]+)|\[([0-9a-f:.]+(?:%[a-z0-9._-]+)?)\])(?::\d{1,5})?$/;

/**
 * Why it is refused, for people; null where it is not.
 *
 * @param known names and addresses of this process; its port may be another one behind a tunnel
 */
export function whyForeign({ host, origin, localAddress }: Asking, known: readonly string[]): string | null {
  const asked = (host ?? '').toLowerCase();
  const [, name, ipv6] = HOST.exec(asked) ?? [];
  const called = name ?? ipv6;
  if (called === undefined) return 'the request names no host';
  const own = ['localhost', ...known.map(plain), plain(localAddress ?? '')];
  if (!own.includes(called))
    return `${called} is no known name of this process: use its address, or add the name to dashboard_hosts`;
  const isOwn = origin === undefined || /^https?:\/\/(.*)$/.exec(origin.toLowerCase())?.[1] === asked;
  return isOwn ? null : 'the request comes from a page of another origin';
}

/** As in a Host header; an IPv4 address that came through an IPv6 socket is itself. */
function plain(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/, '');
}
