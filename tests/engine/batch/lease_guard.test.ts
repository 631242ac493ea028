import { describe, expect, test } from "bun:test";
import { guardLeases } from "../../../engine/batch/lease_guard.ts";
import { CosignError, type ErrorCode } from "../../../engine/model/errors.ts";
import { keyHost } from "../../support/key_host.ts";

/** A guarded host whose leases fail, and what became known of it. */
function refusing(why: () => unknown) {
  const seen = { asked: 0, told: [] as ErrorCode[] };
  const lease = async () => {
    seen.asked += 1;
    throw why();
  };
  const host = guardLeases(keyHost({ lease }), ({ code }) => seen.told.push(code));
  const ask = (signal?: AbortSignal) => host.lease("keyless", undefined, signal);
  return { ask, seen };
}

describe("guardLeases()", () => {
  test("asks nobody again after a refusal that is for all, and tells of it once", async () => {
    for (const code of ["IDENTITY_EXPIRED", "LOGIN_REFUSED", "CERTIFICATE_REFUSED"] as const) {
      const { ask, seen } = refusing(() => new CosignError(code, "no"));
      for (let i = 0; i < 3; i++) await expect(ask()).rejects.toMatchObject({ code });
      expect(seen).toEqual({ asked: 1, told: [code] });
    }
  });

  test("tells once of those who had asked already", async () => {
    const { ask, seen } = refusing(() => new CosignError("IDENTITY_EXPIRED", "no"));
    const answers = await Promise.allSettled([ask(), ask(), ask()]);
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(seen).toEqual({ asked: 3, told: ["IDENTITY_EXPIRED"] });
  });

  test("asks again where the trouble may pass, or was the asker's own", async () => {
    for (const code of ["SERVICE_UNAVAILABLE", "SERVICE_PROTOCOL"] as const) {
      const { ask, seen } = refusing(() => new CosignError(code, "no"));
      for (let i = 0; i < 2; i++) await expect(ask()).rejects.toMatchObject({ code });
      expect(seen).toEqual({ asked: 2, told: [] });
    }
    const late = refusing(() => new CosignError("DEADLINE_EXCEEDED", "the job's time is over"));
    await expect(late.ask(AbortSignal.abort())).rejects.toThrow("the job's time is over");
    const broken = refusing(() => new TypeError("a bug"));
    await expect(broken.ask()).rejects.toThrow("a bug");
    expect([late.seen.told, broken.seen.told]).toEqual([[], []]);
  });
});
