import { env } from "node:process";
import { type MessagePort, parentPort } from "node:worker_threads";
import { trustedRoots } from "../io/certificates.ts";
import type { Shared } from "../io/shared.ts";
import type { KeyHost } from "../keys/key_ring.ts";
import { errorFromReport } from "../model/errors.ts";
import type { PluginTable } from "../plugin_host/table.ts";
import { BrokeredShared } from "./brokered_shared.ts";
import { type FromWorker, Outbox, type ToWorker } from "./messages.ts";
import { PROTOCOL, type RunSetup } from "./run_setup.ts";
import { openThread, type RunOne } from "./thread.ts";

/** What a worker's jobs are run with. */
export interface WorkerServices {
  readonly shared: Shared;
  readonly keyHost: KeyHost;
  readonly signal: AbortSignal;
}

/**
 * The worker's side of a batch: runs what the main thread sends until it is terminated.
 *
 * @param plugins Which there are: loaded when somebody asks.
 */
export function runWorker(plugins: () => Promise<PluginTable>): void {
  if (parentPort === null) throw new TypeError("A worker runs in a thread of its own");
  serveJobs(
    parentPort,
    (setup, services) =>
      openThread(setup as RunSetup, {
        ...services,
        env,
        artifactHandlers: async () => await (await plugins()).artifactHandlers(),
        registryLogin: async (host) => await (await plugins()).registryLogin(host),
      }), // given by the pool
  );
}

/** Takes jobs from a port and answers verdicts. @param open Makes what runs the jobs. */
export function serveJobs(
  port: MessagePort,
  open: (setup: unknown, services: WorkerServices) => RunOne,
): void {
  const outbox = new Outbox<FromWorker>(port);
  const send = (message: FromWorker) => outbox.send(message);
  const shared = new BrokeredShared(send);
  const run = new AbortController();
  let runOne: RunOne | undefined;
  port.on("message", (messages: readonly ToWorker[]) => {
    for (const message of messages) {
      if (message.type === "setup") {
        runOne = open(message.setup, {
          shared,
          keyHost: shared,
          signal: run.signal,
        });
        send({ type: "ready", protocol: PROTOCOL });
        // A job that throws is a bug: it ends this thread, and the pool says so.
      } else if (message.type === "run") {
        runOne?.(message.job).then((verdict) => send({ type: "done", verdict }));
      } else if (message.type === "abort") run.abort(errorFromReport(message.reason));
      else shared.receive(message);
    }
  });
  port.postMessage([{ type: "hello" } satisfies FromWorker]);
  trustedRoots(env); // the main thread reads keys and manifest meanwhile
}
