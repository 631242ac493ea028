/**
 * Whether this is the thread that the program began with. `node:worker_threads` says so too, but takes
 * longer to load than everything else that a short command needs.
 */
export function isFirstThread(): boolean {
  return process.versions["bun"] === undefined
    ? !("DedicatedWorkerGlobalScope" in globalThis)
    : Bun.isMainThread;
}
