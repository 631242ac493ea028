import { parseTrustedRoot } from "../formats/trusted_root_json.ts";
import { Budgets } from "../io/budget.ts";
import type { Environment } from "../io/env.ts";
import { logExchange } from "../io/exchange_log.ts";
import { httpClient } from "../io/http.ts";
import type { Shared } from "../io/shared.ts";
import { makeKeyRing } from "../keys/key_ring.ts";
import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";
import { openRegistry } from "../registry/client.ts";
import { Slots } from "./_slots.ts";
import type { SignHosted } from "./broker.ts";
import type { JobContext } from "./job_context.ts";
import { runJob } from "./run_job.ts";
import type { RunSetup } from "./run_setup.ts";

/** Runs one job, when the thread has a place for it. */
export type RunOne = (job: Job) => Promise<Verdict>;

/** What a thread gets from outside. */
export interface ThreadServices {
  readonly shared: Shared;
  readonly signHosted: SignHosted;
  readonly signal: AbortSignal;
  readonly env: Environment;
}

/** Makes what runs jobs in the calling thread, `setup.jobsPerThread` at once. */
export function openThread(setup: RunSetup, services: ThreadServices): RunOne {
  const { shared, signHosted, signal, env } = services;
  const slots = new Slots(setup.jobsPerThread);
  const budgets = new Budgets(setup.budgets, setup.threads);
  const { userAgent, verbose } = setup.registry;
  const http = httpClient({ env, ...(verbose ? { onExchange: logExchange } : {}) });
  const context: JobContext = {
    registry: openRegistry(setup.registry, { shared, budgets, env }),
    keys: makeKeyRing(setup.keys, signHosted),
    ...(setup.trustedRoot === undefined
      ? {}
      : { trustedRoot: parseTrustedRoot(setup.trustedRoot) }),
    ...(setup.searchUrl === undefined
      ? {}
      : { search: { url: setup.searchUrl, services: { http, budgets, userAgent } } }),
    namedRoots: new Map(
      [...(setup.namedRoots ?? [])].map(([name, json]) => [name, parseTrustedRoot(json)]),
    ),
    conventions: setup.conventions,
    shared,
    signal,
    now: () => new Date(),
    idle: (ms) => slots.idle(ms),
    found: new Map(),
  };
  return (job) => slots.run(() => runJob(job, context));
}
