import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import {
  callService,
  describeReply,
  type ServiceCall,
  serviceUrl,
} from "../../../engine/transparency/service.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { testContext } from "./_context.ts";

let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());
afterEach(() => sigstore.heal());

const question = (more: Partial<ServiceCall> = {}): ServiceCall => ({
  service: "rekor",
  method: "GET",
  url: serviceUrl(sigstore.rekorUrl, "/api/v1/log"),
  what: "read the log",
  limitBytes: 100_000,
  ...more,
});
const PATH = "/api/v1/log";

describe("callService()", () => {
  test("answers with what the service says, refusals too", async () => {
    expect(await callService(question(), testContext())).toMatchObject({ status: 200 });
    const url = serviceUrl(sigstore.rekorUrl, "/nothing");
    const reply = await callService(question({ url }), testContext());
    expect(describeReply(reply)).toBe("404: entry not found");
  });

  test.each([429, 500, 502, 503, 504])("asks again after %d", async (status) => {
    const before = sigstore.count("rekor", PATH);
    sigstore.fail("rekor", { kind: "status", status }, 2);
    expect((await callService(question(), testContext())).status).toBe(200);
    expect(sigstore.count("rekor", PATH)).toBe(before + 3);
  });

  test("throws SERVICE_UNAVAILABLE when it does not pass", async () => {
    sigstore.fail("rekor", { kind: "status", status: 503, body: "down for repair" });
    await expect(callService(question(), testContext())).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      message: expect.stringContaining("503: down for repair"),
    });
  });

  test("waits as long as the service asks", async () => {
    const pauses: number[] = [];
    const sleep = async (ms: number) => void pauses.push(ms);
    sigstore.fail("rekor", { kind: "status", status: 503, retryAfter: "1" }, 1);
    let nowMs = Date.now();
    const clock = {
      now: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    };
    const budgets = new Budgets(createBudgetMemory(), 1, clock);
    const context = testContext({ retry: { attempts: 2, sleep, random: () => 0 }, budgets });
    await callService(question(), context);
    expect(pauses).toEqual([1000]);
  });

  test("throws SERVICE_PROTOCOL for a redirect, and sends nothing there", async () => {
    const location = serviceUrl(sigstore.fulcioUrl, "/stolen");
    sigstore.fail("rekor", { kind: "redirect", location });
    await expect(callService(question(), testContext())).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
    });
    expect(sigstore.count("fulcio")).toBe(0);
  });

  test("throws SERVICE_UNAVAILABLE at once where nothing ever answered", async () => {
    const url = "http://127.0.0.1:1/api";
    const sleep = () => Promise.reject(new Error("it was tried again"));
    const context = testContext({ retry: { sleep } });
    await expect(callService(question({ url }), context)).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      message: expect.stringContaining("connection refused"),
    });
  });

  test("throws SERVICE_UNAVAILABLE when no answer comes", async () => {
    sigstore.fail("rekor", { kind: "stall" });
    const context = testContext({ timeoutMs: 50 });
    await expect(callService(question(), context)).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
    });
  });

  test("throws why the signal fired", async () => {
    sigstore.fail("rekor", { kind: "stall" });
    const signal = AbortSignal.abort(new CosignError("DEADLINE_EXCEEDED", "too late"));
    await expect(callService(question(), testContext({ signal }))).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
  });

  test("throws LIMIT_EXCEEDED for a longer answer", async () => {
    await expect(callService(question({ limitBytes: 10 }), testContext())).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
  });

  test.each(["ftp://example.com/", "file:///etc/passwd", "rekor.example.com", ""])(
    'throws USAGE for "%s", which is no URL of HTTP',
    async (url) => {
      await expect(callService(question({ url }), testContext())).rejects.toMatchObject({
        code: "USAGE",
      });
    },
  );
});

describe("describeReply()", () => {
  const describeBody = (body: string): string =>
    describeReply({ status: 400, headers: new Headers(), body: new TextEncoder().encode(body) });

  test("shows a message in one line without control characters, cut", () => {
    expect(describeBody('{"code":3,"message":"bad\\n\\u001b[31mtoken"}')).toBe(
      "400: bad [31mtoken",
    );
    expect(describeBody("x".repeat(1000)).length).toBe(305);
    expect(describeBody("")).toBe("400");
    expect(describeBody('{"message":7}')).toBe('400: {"message":7}');
  });
});

test("serviceUrl() keeps the path of a service", () => {
  expect(serviceUrl("https://h.test/rekor/", "/api/v1/log")).toBe(
    "https://h.test/rekor/api/v1/log",
  );
});
