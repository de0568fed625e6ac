// The metrics as text, made of the machine's statistics when somebody asks, and of nothing before.
import { Counter, Gauge, Registry } from 'prom-client';
import { exportedName, METRICS, type Scrape } from './catalogue.js';

export const CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** In the text-based exposition format, version 0.0.4. */
export const expositionOf = (scrape: Scrape): Promise<string> => {
  const registry = new Registry();
  for (const metric of METRICS) {
    const options = { name: exportedName(metric), help: metric.help, labelNames: metric.labels, registers: [registry] };
    if (metric.kind === 'counter') {
      const counter = new Counter(options);
      // A guest's memory may hold any number as its job's counters.
      for (const [labels, value] of metric.samples(scrape)) counter.inc(labels, Number.isFinite(value) && value > 0 ? value : 0);
    } else {
      const gauge = new Gauge(options);
      for (const [labels, value] of metric.samples(scrape)) gauge.set(labels, value);
    }
  }
  return registry.metrics();
};
