import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import type { CosignError } from "../../../engine/model/errors.ts";
import type { PluginContext } from "../../../engine/plugin_host/contract.ts";
import { pluginCaller } from "../../../engine/plugin_host/plugin_call.ts";
import { pluginWorld } from "../../support/plugin_world.ts";

setDefaultTimeout(60_000);

/** What the service does next, one entry a request; then it answers 200. */
let script: (() => Response | Promise<Response>)[] = [];
let requests: { readonly method: string; readonly acme: string | null; readonly body: string }[] =
  [];
let server: Bun.Server<undefined>;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { method, headers } = request;
      requests.push({ method, acme: headers.get("x-acme"), body: await request.text() });
      return await (script.shift() ?? (() => new Response("fine")))();
    },
  });
});
afterAll(() => server.stop(true));

const status =
  (code: number, headers = {}, body = "") =>
  () =>
    new Response(body, { status: code, headers });

interface Called<T> {
  readonly result?: T;
  readonly error?: CosignError;
  readonly pausesMs: readonly number[];
}

/** Runs what a plugin does, in the engine's own context. */
async function asPlugin<T>(
  work: (context: PluginContext, url: string) => Promise<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<Called<T>> {
  requests = [];
  const pausesMs: number[] = [];
  const sleep = async (ms: number) => {
    pausesMs.push(ms);
  };
  const world = pluginWorld({ env, retry: { sleep }, timeoutMs: 20_000 });
  const caller = pluginCaller({ plugin: "acme", env: ["ACME_*"] }, world);
  try {
    const result = await caller.call((context) =>
      work(context, `http://127.0.0.1:${server.port}/`),
    );
    return { result, pausesMs };
  } catch (error) {
    return { error: error as CosignError, pausesMs };
  } finally {
    script = [];
  }
}

describe("the fetch of plugins", () => {
  test("sends what it is given, and answers whole", async () => {
    const { result } = await asPlugin(async ({ fetch }, url) => {
      const answer = await fetch(`${url}sign?x=1`, {
        method: "POST",
        headers: { "x-acme": "1" },
        body: "digest",
      });
      return [answer.status, await answer.text()];
    });
    expect(result).toEqual([200, "fine"]);
    expect(requests).toEqual([{ method: "POST", acme: "1", body: "digest" }]);
  });

  test("asks again after 429 and 5xx, as long as the service says", async () => {
    script = [status(429, { "retry-after": "7" }), status(503), status(500)];
    const { result, pausesMs } = await asPlugin(async ({ fetch }, url) => {
      return (await fetch(url, { method: "POST", body: "x" })).status;
    });
    expect([result, requests.length]).toEqual([200, 4]);
    expect(pausesMs[0]).toBeGreaterThanOrEqual(7000);
    expect(pausesMs[1]).toBeLessThan(7000);
  });

  test("gives up after some attempts, and hands over the last answer", async () => {
    script = Array.from({ length: 20 }, () => status(503, {}, "sealed"));
    const { result } = await asPlugin(async ({ fetch }, url) => (await fetch(url)).text());
    expect([result, requests.length]).toEqual(["sealed", 6]);
  });

  test("says that the service is still throttling", async () => {
    script = Array.from({ length: 20 }, () => status(429));
    const { error } = await asPlugin(async ({ fetch }, url) => fetch(url));
    expect(error?.code).toBe("KEY_SERVICE_RATE_LIMITED");
    expect(requests.length).toBe(6);
  });

  test("knows a service's own way to throttle", async () => {
    const throttled = '{"__type":"ThrottlingException"}';
    script = [status(400, {}, throttled), status(400, {}, '{"__type":"Other"}')];
    const { result } = await asPlugin(async ({ fetch }, url) => {
      const answer = await fetch(url, {
        isThrottled: ({ body }) => new TextDecoder().decode(body).includes("Throttling"),
      });
      return await answer.text();
    });
    expect([result, requests.length]).toEqual(['{"__type":"Other"}', 2]);
  });

  test("does not repeat what may happen once only, unless the service did nothing", async () => {
    script = [status(429), status(500)];
    const { result } = await asPlugin(async ({ fetch }, url) => {
      return (await fetch(url, { method: "POST", repeatable: false })).status;
    });
    expect([result, requests.length]).toEqual([500, 2]);
  });

  test("hands over redirects, and does not follow them", async () => {
    script = [status(302, { location: "/elsewhere" })];
    const { result } = await asPlugin(async ({ fetch }, url) => (await fetch(url)).status);
    expect([result, requests.length]).toEqual([302, 1]);
  });

  test("says that nobody answers, after one attempt where nobody ever did", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const host = `127.0.0.1:${gone.port}`;
    const url = `http://${host}/keys?token=s3cret`;
    await gone.stop(true);
    const { error, pausesMs } = await asPlugin(async ({ fetch }) => fetch(url));
    expect([error?.code, pausesMs.length]).toEqual(["KEY_SERVICE_UNAVAILABLE", 0]);
    expect(error?.hint).toContain(host);
    expect(error?.message).not.toContain("s3cret");
  });

  test("gives up a service that says nothing", async () => {
    script = Array.from({ length: 6 }, () => () => new Promise<Response>(() => {}));
    const { error } = await asPlugin(async ({ fetch }, url) => fetch(url, { timeoutMs: 100 }));
    expect(error?.code).toBe("KEY_SERVICE_UNAVAILABLE");
    expect(error?.message).toContain("no answer for 100 ms");
  });

  test("refuses answers without end", async () => {
    script = [() => new Response(new Uint8Array(17 * 1024 * 1024))];
    const { error } = await asPlugin(async ({ fetch }, url) => fetch(url));
    expect(error?.code).toBe("LIMIT_EXCEEDED");
  });

  test("asks nobody but HTTP services", async () => {
    for (const url of ["file:///etc/passwd", "ftp://x/", "nonsense"]) {
      const { error } = await asPlugin(async ({ fetch }) => fetch(url));
      expect([url, error?.code]).toEqual([url, "USAGE"]);
    }
  });

  test("ends with the signal of a request", async () => {
    script = [() => new Promise<Response>(() => {})];
    const { error } = await asPlugin(async ({ fetch }, url) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 20);
      return await fetch(url, { signal: controller.signal });
    });
    expect(error?.code).toBe("CANCELLED");
  });
});

describe("what a plugin throws", () => {
  test("is told without the credentials of its requests", async () => {
    const { error } = await asPlugin(async ({ fetch }, url) => {
      script = [status(403, {}, "denied for hvs.TOPSECRET")];
      const answer = await fetch(url, { headers: { "X-Vault-Token": "hvs.TOPSECRET" } });
      throw new Error(await answer.text());
    });
    expect(error).toMatchObject({
      code: "PLUGIN_FAILED",
      message: 'Plugin "acme" failed: denied for REDACTED',
    });
    expect(error?.cause).toBeUndefined();
    const bearer = await asPlugin(async ({ fetch }, url) => {
      await fetch(url, { headers: { authorization: "Bearer abc+def/=" } });
      throw new Error("abc+def/= and abc%2Bdef%2F%3D");
    });
    expect(bearer.error?.message).toEndWith("REDACTED and REDACTED");
  });

  test("is told without secrets of the environment, and those that it names", async () => {
    const env = { ACME_TOKEN: "from-the-environment", ACME_TOKEN_FILE: "/run/token" };
    const { error } = await asPlugin(async (context) => {
      context.secret("from-a-file");
      const seen = [context.env["ACME_TOKEN"], context.env["ACME_TOKEN_FILE"], "from-a-file"];
      throw new Error(seen.join(" "));
    }, env);
    expect(error?.message).toEndWith("REDACTED /run/token REDACTED");
  });
});

describe("pluginCaller()", () => {
  test("ends a plugin that does not listen", async () => {
    const world = pluginWorld({ timeoutMs: 50 });
    const caller = pluginCaller({ plugin: "acme", env: [] }, world);
    const error = await caller.call(() => new Promise(() => {})).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
      message: 'Plugin "acme" was not done after 50 ms',
    });
  });

  test("ends when the asker does", async () => {
    const caller = pluginCaller({ plugin: "acme", env: [] }, pluginWorld());
    const error = await caller
      .call(() => new Promise(() => {}), AbortSignal.timeout(20))
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "CANCELLED" });
  });

  test("shows of the environment what every program needs and what is declared", async () => {
    const env = {
      PATH: "/bin",
      HOME: "/home/x",
      HTTPS_PROXY: "http://proxy",
      ACME_URL: "u",
      ACMEX: "hidden",
      AWS_SECRET_ACCESS_KEY: "hidden",
      COSIGN_PASSWORD: "hidden",
      NODE_OPTIONS: "hidden",
    };
    const { result } = await asPlugin(async (context) => context.env, env);
    expect(result).toEqual({
      PATH: "/bin",
      HOME: "/home/x",
      HTTPS_PROXY: "http://proxy",
      ACME_URL: "u",
    });
  });
});

describe("the budgets of services", () => {
  test("let a service that throttles slow its own requests, and no others", async () => {
    const busy = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("", { status: 429, headers: { "retry-after": "60" } }),
    });
    let asleep = 0;
    const stop = new AbortController();
    const sleep = async (_ms: number, signal?: AbortSignal) => {
      asleep += 1;
      await new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
      );
    };
    const clock = { now: Date.now, sleep };
    const world = pluginWorld({
      budgets: new Budgets(createBudgetMemory(), 1, clock),
      retry: { sleep },
    });
    const caller = pluginCaller({ plugin: "acme", env: [] }, world);
    const ask = (port: number | undefined) =>
      caller.call(({ fetch }) => fetch(`http://127.0.0.1:${port}/`), stop.signal);
    const waiting = Promise.allSettled(Array.from({ length: 40 }, () => ask(busy.port)));
    while (asleep === 0) await ask(server.port);
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(server.port)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    stop.abort();
    expect((await waiting).every(({ status }) => status === "rejected")).toBe(true);
    await busy.stop(true);
  });
});
