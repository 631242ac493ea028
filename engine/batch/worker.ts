import { env } from "node:process";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Shared } from "../io/shared.ts";
import { errorFromReport } from "../model/errors.ts";
import type { SignHosted } from "./broker.ts";
import { BrokeredShared } from "./brokered_shared.ts";
import { type FromWorker, Outbox, type ToWorker } from "./messages.ts";
import { PROTOCOL, type RunSetup } from "./run_setup.ts";
import { openThread, type RunOne } from "./thread.ts";

/** What a worker's jobs are run with. */
export interface WorkerServices {
  readonly shared: Shared;
  readonly signHosted: SignHosted;
  readonly signal: AbortSignal;
}

/** The worker's side of a batch: runs what the main thread sends until it is terminated. */
export function runWorker(): void {
  if (parentPort === null) throw new TypeError("A worker runs in a thread of its own");
  const setup = workerData as RunSetup; // given by the pool
  serveJobs(parentPort, (services) => openThread(setup, { ...services, env }));
}

/** Takes jobs from a port and answers verdicts. @param open Makes what runs the jobs. */
export function serveJobs(port: MessagePort, open: (services: WorkerServices) => RunOne): void {
  const outbox = new Outbox<FromWorker>(port);
  const send = (message: FromWorker) => outbox.send(message);
  const shared = new BrokeredShared(send);
  const run = new AbortController();
  const runOne = open({
    shared,
    signHosted: (uri, message, signal) => shared.sign(uri, message, signal),
    signal: run.signal,
  });
  port.on("message", (messages: readonly ToWorker[]) => {
    for (const message of messages) {
      // A job that throws is a bug: it ends this thread, and the pool says so.
      if (message.type === "run") {
        runOne(message.job).then((verdict) => send({ type: "done", verdict }));
      } else if (message.type === "abort") run.abort(errorFromReport(message.reason));
      else shared.receive(message);
    }
  });
  port.postMessage([{ type: "ready", protocol: PROTOCOL } satisfies FromWorker]);
}
