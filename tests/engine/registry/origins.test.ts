import { describe, expect, test } from "bun:test";
import { checkRealm, isLocalHost, resolveLocation } from "../../../engine/registry/origins.ts";

const refusal = expect.objectContaining({ code: "REGISTRY_REDIRECT" });

describe("resolveLocation()", () => {
  test.each([
    ["/v2/a/b/blobs/uploads/1?_state=x", "https://r.example/v2/a/b/blobs/uploads/1?_state=x"],
    ["https://store.example/x?sig=1", "https://store.example/x?sig=1"],
    ["//store.example/x", "https://store.example/x"],
  ])("resolveLocation() takes %s", (location, expected) => {
    expect(resolveLocation(location, "https://r.example/v2/a/b/blobs/uploads/", "x").href).toBe(
      expected,
    );
  });

  test.each([
    null,
    "",
    "http://r.example/x",
    "http://store.example/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/",
    "https://0xA9FEA9FE/",
    "https://metadata.google.internal/",
    "https://127.0.0.1:6443/",
    "https://localhost/",
    "https://[::1]/",
    "https://user:pass@store.example/",
  ])("resolveLocation() of a public registry refuses %j", (location) => {
    expect(() => resolveLocation(location, "https://r.example/v2/", "read")).toThrow(refusal);
  });

  test("resolveLocation() of a registry on this machine may stay there", () => {
    const target = resolveLocation(
      "http://127.0.0.1:9000/blob",
      "http://127.0.0.1:5000/v2/",
      "read",
    );
    expect(target.href).toBe("http://127.0.0.1:9000/blob");
  });
});

describe("checkRealm()", () => {
  test("checkRealm() takes another host over https, as Docker Hub's is", () => {
    const realm = checkRealm("https://auth.docker.io/token", "https://index.docker.io");
    expect(realm.href).toBe("https://auth.docker.io/token");
  });

  test("checkRealm() takes http only where the registry itself is spoken to by http", () => {
    expect(checkRealm("http://127.0.0.1:5001/auth", "http://127.0.0.1:5000").port).toBe("5001");
    expect(() => checkRealm("http://r.example/token", "https://r.example")).toThrow(refusal);
  });

  test.each([
    "",
    "/token",
    "ftp://a.example/token",
    "https://user:pass@a.example/token",
    "https://169.254.169.254/token",
    "https://metadata.google.internal/token",
    "https://localhost:8443/token",
  ])("checkRealm() of a public registry refuses %j", (realm) => {
    expect(() => checkRealm(realm, "https://r.example")).toThrow(refusal);
  });

  test("checkRealm() refuses a link-local realm also of a registry on this machine", () => {
    expect(() => checkRealm("http://169.254.169.254/", "http://127.0.0.1:5000")).toThrow(refusal);
  });
});

describe("isLocalHost()", () => {
  test.each([
    "localhost:5000",
    "127.0.0.1:5000",
    "[::1]:5000",
    "10.0.0.5:5000",
    "nas.local",
    "192.168.1.2",
  ])("isLocalHost() takes %s", (host) => expect(isLocalHost(host)).toBe(true));
  test.each(["index.docker.io", "r.example:5000", "8.8.8.8:5000", "local.example"])(
    "isLocalHost() does not take %s",
    (host) => expect(isLocalHost(host)).toBe(false),
  );
});
