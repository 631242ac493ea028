import { parseTrustedRoot } from "../formats/trusted_root_json.ts";
import { Budgets } from "../io/budget.ts";
import type { Environment } from "../io/env.ts";
import { logExchange } from "../io/exchange_log.ts";
import { httpClient } from "../io/http.ts";
import type { Shared } from "../io/shared.ts";
import { type KeyHost, makeKeyRing } from "../keys/key_ring.ts";
import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";
import type { ArtifactHandler } from "../plugin_host/contract.ts";
import type { PluginTable } from "../plugin_host/table.ts";
import { openRegistry } from "../registry/client.ts";
import { openVouching } from "../sign/open_vouching.ts";
import { Slots } from "./_slots.ts";
import type { JobContext } from "./job_context.ts";
import { runJob } from "./run_job.ts";
import type { RunSetup } from "./run_setup.ts";

/** Runs one job, when the thread has a place for it. */
export type RunOne = (job: Job) => Promise<Verdict>;

/** What a thread gets from outside. */
export interface ThreadServices {
  readonly shared: Shared;
  readonly keyHost: KeyHost;
  readonly signal: AbortSignal;
  readonly env: Environment;
  readonly artifactHandlers: () => Promise<readonly ArtifactHandler[]>;
  /** Finds who logs in to a registry. Absent: nobody does. */
  readonly registryLogin?: PluginTable["registryLogin"];
}

/** Makes what runs jobs in the calling thread, `setup.jobsPerThread` at once. */
export function openThread(setup: RunSetup, services: ThreadServices): RunOne {
  const { shared, keyHost, signal, env, artifactHandlers, registryLogin } = services;
  const slots = new Slots(setup.jobsPerThread);
  const budgets = new Budgets(setup.budgets, setup.threads);
  const { userAgent, verbose } = setup.registry;
  const http = httpClient({ env, ...(verbose ? { onExchange: logExchange } : {}) });
  const trustedRoot =
    setup.trustedRoot === undefined ? undefined : parseTrustedRoot(setup.trustedRoot);
  const context: JobContext = {
    registry: openRegistry(setup.registry, {
      shared,
      budgets,
      env,
      ...(registryLogin === undefined
        ? {}
        : {
            cloudLogin: async (registry, ends) => {
              const { logInToCloud } = await import("../plugin_host/registry_login.ts");
              return await logInToCloud(registry, registryLogin, { env, http, budgets }, ends);
            },
          }),
    }),
    keys: makeKeyRing(setup.keys, keyHost),
    ...(trustedRoot === undefined ? {} : { trustedRoot }),
    ...(trustedRoot === undefined || setup.vouching === undefined
      ? {}
      : {
          vouching: openVouching(setup.vouching, trustedRoot, {
            http,
            budgets,
            userAgent,
            threads: setup.threads,
          }),
        }),
    ...(setup.searchUrl === undefined
      ? {}
      : { search: { url: setup.searchUrl, services: { http, budgets, userAgent } } }),
    namedRoots: new Map(
      [...(setup.namedRoots ?? [])].map(([name, json]) => [name, parseTrustedRoot(json)]),
    ),
    conventions: setup.conventions,
    artifactHandlers,
    shared,
    signal,
    now: () => new Date(),
    idle: (ms) => slots.idle(ms),
    found: new Map(),
  };
  return (job) => slots.run(() => runJob(job, context));
}
