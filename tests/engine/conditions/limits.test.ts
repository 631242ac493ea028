import { afterAll, beforeAll, describe, expect } from "bun:test";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { PolicyJudge } from "../../../engine/conditions/evaluate.ts";
import { judgeByExecutables } from "../../../engine/conditions/executables.ts";
import { findPolicyModule } from "../../../engine/conditions/module.ts";
import type { PolicyFailure, PolicySource } from "../../../engine/conditions/policy.ts";
import { buildPolicyTools, policyProgram } from "../../support/policy_tools.ts";
import { hasTool, requires } from "../../support/requires.ts";

const BUILD_TIMEOUT_MS = 1_800_000;
const TEST_TIMEOUT_MS = 180_000;
const SHORT_MS = 4_000;
const LONG_MS = 60_000;
const SMALL_BYTES = 128 * 1024 * 1024;
const test = requires("go");

let program = new URL("file:///nowhere/main.ts");
let tools = "";
let port = 0;
let connections = 0;
let server: Server | undefined;
/** By their patience. Threads are not cheap: the tests share them. */
const judges = new Map<number, PolicyJudge>();

beforeAll(async () => {
  if (!hasTool("go")) return;
  program = policyProgram();
  tools = buildPolicyTools();
  server = createServer((socket) => {
    connections += 1;
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  if (typeof address === "object" && address !== null) port = address.port;
}, BUILD_TIMEOUT_MS);
afterAll(async () => {
  server?.close();
  for (const judge of judges.values()) await judge[Symbol.asyncDispose]();
});

function judgeOf(timeoutMs: number): PolicyJudge {
  const judge =
    judges.get(timeoutMs) ?? new PolicyJudge({ program, timeoutMs, maxMemoryBytes: SMALL_BYTES });
  judges.set(timeoutMs, judge);
  return judge;
}

/** How something answers; the executables get an open environment of the test, and must not use it. */
type Ask = (
  policies: readonly PolicySource[],
  timeoutMs: number,
) => Promise<readonly PolicyFailure[]>;
const STATEMENT = `{"n":1}`;
const ways: readonly { readonly name: string; readonly ask: Ask }[] = [
  {
    name: "PolicyJudge.judge()",
    ask: (policies, timeoutMs) => judgeOf(timeoutMs).judge(STATEMENT, policies),
  },
  {
    name: "judgeByExecutables()",
    ask: (policies, timeoutMs) =>
      judgeByExecutables(new TextEncoder().encode(STATEMENT), policies, {
        timeoutMs,
        maxMemoryBytes: SMALL_BYTES,
        path: tools,
      }),
  },
];

function rego(body: string): readonly PolicySource[] {
  return [{ path: "p.rego", kind: "rego", text: `package signature\n${body}` }];
}

function cue(text: string): readonly PolicySource[] {
  return [{ path: "p.cue", kind: "cue", text }];
}

async function codeOf(answer: Promise<unknown>): Promise<unknown> {
  try {
    await answer;
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return "no error";
}

for (const { name, ask } of ways) {
  describe(name, () => {
    test(
      "lets no policy reach a port that listens",
      async () => {
        const url = `http://127.0.0.1:${port}/`;
        const sent = await ask(
          rego(`allow { http.send({"method": "get", "url": "${url}"}).status_code == 200 }`),
          LONG_MS,
        );
        expect(sent.map(({ message }) => message).join()).toContain("undefined function http.send");
        const found = await ask(
          rego(`allow { count(net.lookup_ip_addr("localhost")) > 0 }`),
          LONG_MS,
        );
        expect(found.map(({ message }) => message).join()).toContain("undefined function");
        const schemas = await ask(
          rego(`allow { json.match_schema(input, {"$ref": "${url}schema.json"})[0] }`),
          LONG_MS,
        );
        expect(schemas).not.toEqual([]);
        expect(connections).toBe(0);
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "shows no policy the environment",
      async () => {
        const seen = rego(
          `names = {name | opa.runtime().env[name]}
          allow { count({name | names[name]; not startswith(name, "CUE_"); not ignored[name]}) == 0 }
          ignored = {"PWD", "OLDPWD", "SHLVL", "_"}`, // a shell's own
        );
        expect(await ask(seen, LONG_MS)).toEqual([]);
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "ends a Rego policy that does not end",
      async () => {
        const endless = rego(
          "allow { numbers.range(1, 30000)[i]; numbers.range(1, 30000)[j]; numbers.range(1, 30000)[k]; i * j * k == -1 }",
        );
        expect(await codeOf(ask(endless, SHORT_MS))).toBe("LIMIT_EXCEEDED");
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "ends a CUE policy that does not end",
      async () => {
        const text = `import "list"
          r: list.Range(0, 500, 1)
          x: [for a in r for b in r for c in r for d in r if a*b*c*d < 0 {a}]`;
        expect(await codeOf(ask(cue(text), SHORT_MS))).toBe("LIMIT_EXCEEDED");
      },
      TEST_TIMEOUT_MS,
    );

    test(
      "does not live on what a Rego policy takes of the memory",
      async () => {
        const bomb = rego(
          `big[n] = s { n := numbers.range(1, 100000000)[_]; s := sprintf("%d-%d-%d", [n, n, n]) }
          allow { count(big) == 0 }`,
        );
        expect(await codeOf(ask(bomb, LONG_MS))).toBe("LIMIT_EXCEEDED");
      },
      TEST_TIMEOUT_MS,
    );
  });
}

describe("PolicyJudge.judge()", () => {
  test(
    "goes on after every limit: with another thread",
    async () => {
      const judge = judgeOf(SHORT_MS);
      const ok = rego("allow { true }");
      const endless = rego(
        "allow { numbers.range(1, 30000)[i]; numbers.range(1, 30000)[j]; i * j == -1 }",
      );
      // Deeper than the stack, not deeper than what parsers let pass.
      const deep = `${"[".repeat(9_000)}${"]".repeat(9_000)}`;
      const answers = [
        codeOf(judge.judge(STATEMENT, endless)),
        judge.judge(STATEMENT, ok),
        codeOf(judge.judge(deep, ok)),
        judge.judge(STATEMENT, ok),
      ];
      const [first, second, third, fourth] = await Promise.all(answers);
      expect(first).toBe("LIMIT_EXCEEDED");
      expect(second).toEqual([]);
      expect(["no error", "POLICY_FAULT", "LIMIT_EXCEEDED"]).toContain(String(third));
      expect(fourth).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "ends when the one who asks does not want to know any more",
    async () => {
      const judge = judgeOf(LONG_MS);
      expect(await judge.judge(STATEMENT, rego("allow { true }"))).toEqual([]);
      const cancel = new AbortController();
      const endless = rego(
        "allow { numbers.range(1, 30000)[i]; numbers.range(1, 30000)[j]; i * j == -1 }",
      );
      const asked = codeOf(judge.judge(STATEMENT, endless, cancel.signal));
      cancel.abort();
      expect(await asked).toBe("CANCELLED");
      expect(await codeOf(judge.judge(STATEMENT, endless, cancel.signal))).toBe("CANCELLED");
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "shows no policy a file",
    async () => {
      const [failure] =
        (await ways[0]?.ask(
          [
            {
              path: "p.cue",
              kind: "cue",
              text: '@extern(embed)\npackage p\nx: _ @embed(file="/etc/passwd",type=text)',
            },
          ],
          LONG_MS,
        )) ?? [];
      expect(failure?.message ?? "").not.toContain("root");
    },
    TEST_TIMEOUT_MS,
  );

  test("asks the executables when nothing is built in, and says what to do when there are none", async () => {
    const nowhere = new URL(`file://${dirname(import.meta.path)}/main.ts`);
    expect(findPolicyModule(nowhere)).toBeUndefined();
    const judged = (env: Readonly<Record<string, string>>) =>
      new PolicyJudge({ program: nowhere, env }).judge(STATEMENT, rego("allow { input.n == 1 }"));
    expect(await judged({ PATH: tools })).toEqual([]);
    await expect(judged({ PATH: join(tools, "none") })).rejects.toMatchObject({
      code: "POLICY_UNAVAILABLE",
      message: expect.stringContaining('there is no "opa" on the PATH'),
      hint: expect.stringContaining("Install opa"),
    });
    await expect(judged({})).rejects.toMatchObject({ code: "POLICY_UNAVAILABLE" });
  });
});
