import type { KeyHost } from "../keys/key_ring.ts";
import { CosignError, type ErrorReport, reportError } from "../model/errors.ts";

/** What the next who asks may be spared. */
const MAY_PASS: ReadonlySet<string> = new Set(["SERVICE_UNAVAILABLE", "SERVICE_PROTOCOL"]);

/**
 * A key host that asks for no certificate after a refusal that would be the same for all: thousands of
 * targets are no reason to send an expired token thousands of times, or to ask a person as often.
 *
 * @param refused Is told of that refusal, once.
 */
export function guardLeases(host: KeyHost, refused: (why: ErrorReport) => void): KeyHost {
  let refusal: CosignError | undefined;
  return {
    ...host,
    lease: async (uri, ended, signal) => {
      if (refusal !== undefined) throw refusal;
      try {
        return await host.lease(uri, ended, signal);
      } catch (error) {
        if (refusal === undefined && isForAll(error, signal)) {
          refusal = error;
          refused(reportError(error));
        }
        throw error;
      }
    },
  };
}

function isForAll(error: unknown, signal: AbortSignal | undefined): error is CosignError {
  return error instanceof CosignError && !MAY_PASS.has(error.code) && signal?.aborted !== true;
}
