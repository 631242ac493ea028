// A worker whose jobs do what their target says: `pass`, `die`, `throw`, `hang`, `spin`, `once KEY`,
// `turn NAME MS`, `sign URI TEXT`, `idle MS`, `forget KEY`.
import { parentPort, threadId } from "node:worker_threads";
import { Slots } from "../../engine/batch/_slots.ts";
import { serveJobs, type WorkerServices } from "../../engine/batch/worker.ts";
import { CosignError, reportError } from "../../engine/model/errors.ts";
import type { Job } from "../../engine/model/job.ts";
import type { Verdict } from "../../engine/model/verdict.ts";
import { verdictOn } from "./batch_verdict.ts";

if (parentPort === null) throw new Error("This file is a worker");
const slots = new Slots(4);
serveJobs(parentPort, (setup, services) => {
  if (setup === "dies at once") throw new Error("it dies at once");
  return (job) => slots.run(() => perform(job, services));
});

async function perform(job: Job, services: WorkerServices): Promise<Verdict> {
  const text = job.target.type === "reference" ? job.target.reference : "";
  try {
    const said = await act(text.split(" "), services);
    return { ...verdictOn(job.id, "passed", text), warnings: [String(threadId), said] };
  } catch (error) {
    const verdict = verdictOn(job.id, "error", text);
    return verdict.outcome === "passed" ? verdict : { ...verdict, reason: reportError(error) };
  }
}

async function act(words: readonly string[], services: WorkerServices): Promise<string> {
  const { shared, signal } = services;
  const [verb, name = "", rest = ""] = words;
  if (verb === "die") process.exit(3);
  if (verb === "throw") setImmediate(() => Promise.reject(new Error("a bug")));
  if (verb === "spin") for (;;);
  if (verb === "throw" || verb === "hang") {
    signal.throwIfAborted();
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }
  if (verb === "once") {
    let led = false;
    const value = await shared.once(name, async () => {
      led = true;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (rest === "fails") throw new CosignError("REGISTRY_DENIED", "no");
      if (rest === "dies") process.exit(3);
      return { value: `by ${threadId}`, ...(rest === "0" ? { expiresAtMs: 0 } : {}) };
    });
    return `${led ? "led" : "got"} ${value}`;
  }
  if (verb === "forget") shared.forget(name, await shared.once(name, async () => ({ value: 1 })));
  if (verb === "turn") {
    const turn = await shared.turn(name, signal);
    const fromMs = Date.now();
    if (rest === "dies") process.exit(3);
    await new Promise((resolve) => setTimeout(resolve, Number(rest)));
    const untilMs = Date.now();
    turn.release();
    return `${fromMs} ${untilMs}`;
  }
  if (verb === "sign") {
    const message = new TextEncoder().encode(rest);
    return new TextDecoder().decode(await services.keyHost.sign(name, message));
  }
  if (verb === "idle") await slots.idle(Number(name));
  return "done";
}
