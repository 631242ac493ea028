import { describe, expect, test } from "bun:test";
import { chooseChallenge, parseChallenges } from "../../../engine/registry/challenge.ts";

describe("parseChallenges()", () => {
  test("parseChallenges() reads the challenge of Docker Hub", () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"';
    expect(parseChallenges(header)).toEqual([
      {
        scheme: "bearer",
        parameters: {
          realm: "https://auth.docker.io/token",
          service: "registry.docker.io",
          scope: "repository:library/alpine:pull",
        },
      },
    ]);
  });

  /** RFC 9110 §11.6.1: the example with two challenges in one field. */
  test("parseChallenges() reads several challenges of one header", () => {
    const header =
      'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""';
    expect(parseChallenges(header)).toEqual([
      { scheme: "basic", parameters: { realm: "simple" } },
      { scheme: "newauth", parameters: { realm: "apps", type: "1", title: 'Login to "apps"' } },
    ]);
  });

  test("parseChallenges() keeps commas and equal signs of quoted values", () => {
    const [challenge] = parseChallenges('Bearer scope="repository:a/b:pull,push a=b"');
    expect(challenge?.parameters["scope"]).toBe("repository:a/b:pull,push a=b");
  });

  test("parseChallenges() takes names of any case, blanks around signs, and the first of two values", () => {
    const [challenge] = parseChallenges(
      'BEARER Realm = "https://a.example" , realm="https://b.example"',
    );
    expect(challenge).toEqual({ scheme: "bearer", parameters: { realm: "https://a.example" } });
  });

  test.each([
    "",
    ",,,",
    '"',
    "Bearer realm=",
    'Bearer realm="unclosed',
    "=x",
    "Bearer =x",
    "\u0000",
  ])("parseChallenges() makes no parameter of %j", (header) => {
    for (const { parameters } of parseChallenges(header)) {
      expect(Object.values(parameters).join("")).not.toContain('unclosed"');
      expect(parameters["realm"]).toBeUndefined();
    }
  });

  test("parseChallenges() gives no parameter to names of Object.prototype", () => {
    const [challenge] = parseChallenges("Bearer x=1");
    expect(challenge?.parameters["constructor"]).toBeUndefined();
    expect(challenge?.parameters["toString"]).toBeUndefined();
  });

  test("parseChallenges() ends soon on a megabyte of nonsense", () => {
    const startedMs = performance.now();
    parseChallenges('Bearer "'.repeat(131_072));
    parseChallenges(`Bearer realm="${"\\".repeat(1_000_000)}`);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});

describe("chooseChallenge()", () => {
  test("chooseChallenge() takes Bearer with a realm before Basic, and nothing else", () => {
    expect(chooseChallenge('Basic realm="x", Bearer realm="https://a.example"')?.scheme).toBe(
      "bearer",
    );
    expect(chooseChallenge('Bearer scope="x", Basic realm="x"')?.scheme).toBe("basic");
    expect(chooseChallenge('Digest realm="x"')).toBeUndefined();
    expect(chooseChallenge(null)).toBeUndefined();
  });
});
