/** What a process can be asked to count: names and meanings of all metrics, and how they are laid out for a scrape. */
import { type Gauge, Registry } from 'prom-client';

/** Series of one process at most: beyond them the families at the end are left out, and their number is said. */
export const SERIES_MAX = 2000;

export type Kind = 'gauge' | 'counter' | 'histogram';
/** A family as documents list it. Names begin with `nursery_`; units stand at the end of a name. */
export type Metric = { readonly name: string; readonly kind: Kind; readonly help: string };
export type Labels = { readonly [name: string]: string };
/** `suffix`: of the parts of a histogram: `_bucket`, `_sum`, `_count`. */
export type Sample = { readonly value: number; readonly labels?: Labels; readonly suffix?: string };
export type Family = { readonly metric: Metric; readonly samples: readonly Sample[] };

/** A family of one series. */
export function single(metric: Metric, value: number): Family {
  return { metric, samples: [{ value }] };
}

/** A family of one series for each of `values`, told apart by `label`. */
export function labelled(
  metric: Metric,
  label: string,
  values: Iterable<readonly [of: string, value: number]>,
): Family {
  return { metric, samples: [...values].map(([of, value]) => ({ labels: { [label]: of }, value })) };
}

/** All families in the text form of Prometheus. Nothing is kept from one scrape to the next. */
export async function exposition(families: readonly Family[]): Promise<string> {
  const registry = new Registry();
  let series = 0;
  let leftOut = 0;
  for (const family of families) {
    series += family.samples.length;
    if (series > SERIES_MAX) leftOut += family.samples.length;
    else if (family.samples.length > 0) register(registry, family);
  }
  register(registry, single(LEFT_OUT, leftOut));
  return await registry.metrics();
}

/** Series that did not fit. */
export const LEFT_OUT: Metric = {
  name: 'nursery_scrape_left_out_series',
  kind: 'gauge',
  help: `Series that this scrape leaves out, since there are more than ${SERIES_MAX}.`,
};

/** prom-client takes whatever has a name and a `get`; it formats, and counts nothing here. */
function register(registry: Registry, { metric: { name, kind, help }, samples }: Family): void {
  const values = samples.map(({ value, labels = {}, suffix = '' }) => ({
    value,
    labels,
    metricName: `${name}${suffix}`,
  }));
  const given = { name, get: () => Promise.resolve({ name, help, type: kind, values, aggregator: 'sum' }) };
  registry.registerMetric(given as unknown as Gauge);
}
