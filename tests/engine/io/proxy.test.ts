import { describe, expect, test } from "bun:test";
import { proxyFor } from "../../../engine/io/proxy.ts";

const PROXY = "http://proxy.example:3128";

const decide = (url: string, env: Record<string, string>): string | undefined =>
  proxyFor(new URL(url), env);

describe("proxyFor()", () => {
  test("proxyFor() takes HTTPS_PROXY for https and HTTP_PROXY for http", () => {
    const env = { HTTP_PROXY: "http://plain.example", HTTPS_PROXY: "http://secure.example" };
    expect(decide("http://a.example", env)).toBe("http://plain.example/");
    expect(decide("https://a.example", env)).toBe("http://secure.example/");
    expect(decide("https://a.example", { HTTP_PROXY: PROXY })).toBeUndefined();
  });

  test("proxyFor() takes lower case, and upper case before it", () => {
    expect(decide("https://a.example", { https_proxy: PROXY })).toBe(`${PROXY}/`);
    const both = { https_proxy: "http://lower.example", HTTPS_PROXY: PROXY };
    expect(decide("https://a.example", both)).toBe(`${PROXY}/`);
  });

  test("proxyFor() takes a proxy without a scheme as http", () => {
    expect(decide("https://a.example", { HTTPS_PROXY: "proxy.example:3128" })).toBe(`${PROXY}/`);
  });

  test("proxyFor() keeps the credentials of a proxy", () => {
    const env = { HTTPS_PROXY: "http://user:p%40ss@proxy.example:3128" };
    expect(decide("https://a.example", env)).toBe("http://user:p%40ss@proxy.example:3128/");
  });

  test.each(["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"])(
    "proxyFor() never proxies %s",
    (host) => expect(decide(`http://${host}/`, { HTTP_PROXY: PROXY })).toBeUndefined(),
  );

  test("proxyFor() ignores HTTP_PROXY in a CGI program", () => {
    expect(
      decide("http://a.example", { HTTP_PROXY: PROXY, REQUEST_METHOD: "GET" }),
    ).toBeUndefined();
  });

  test.each(["ftp://proxy.example", "http://", "socks5://proxy.example"])(
    "proxyFor() refuses the proxy %s",
    (value) => {
      expect(() => decide("https://a.example", { HTTPS_PROXY: value })).toThrow(
        expect.objectContaining({ code: "USAGE" }),
      );
    },
  );
});

/** Go's httpproxy documents these rules: https://pkg.go.dev/golang.org/x/net/http/httpproxy. */
describe("proxyFor() with NO_PROXY", () => {
  const direct = (host: string, noProxy: string): boolean =>
    decide(`https://${host}/`, { HTTPS_PROXY: PROXY, NO_PROXY: noProxy }) === undefined;

  test.each([
    ["a.example", "*", true],
    ["a.example", "a.example", true],
    ["sub.a.example", "a.example", true],
    ["nota.example", "a.example", false],
    ["a.example", ".a.example", false],
    ["sub.a.example", ".a.example", true],
    ["a.example", "*.a.example", false],
    ["sub.a.example", "*.a.example", true],
    ["A.EXAMPLE", "a.Example", true],
    ["a.example", "b.example, a.example ,c.example", true],
    ["a.example", "", false],
    ["a.example", ",,", false],
    ["a.example:8443", "a.example:8443", true],
    ["a.example", "a.example:8443", false],
    ["a.example", "a.example:443", true],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.1.2.3:5000", "10.1.2.3:5000", true],
    ["10.1.2.3:5001", "10.1.2.3:5000", false],
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["[2001:db8::1]", "2001:db8::/32", true],
    ["[2001:db8::1]:5000", "[2001:db8::1]:5000", true],
    ["10.1.2.3", "1.2.3", false],
    ["a.example", "10.0.0.0/8", false],
  ] as const)("proxyFor() for %s with NO_PROXY=%s: direct %s", (host, noProxy, expected) => {
    expect(direct(host, noProxy)).toBe(expected);
  });

  test("proxyFor() takes no_proxy in lower case", () => {
    expect(
      decide("https://a.example", { HTTPS_PROXY: PROXY, no_proxy: "a.example" }),
    ).toBeUndefined();
  });
});
