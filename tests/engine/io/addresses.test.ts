import { describe, expect, test } from "bun:test";
import {
  isInNetwork,
  isLoopbackHost,
  isMetadataHost,
  isPrivateHost,
} from "../../../engine/io/addresses.ts";

describe("isLoopbackHost()", () => {
  test.each(["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"])(
    "isLoopbackHost() takes %s",
    (host) => expect(isLoopbackHost(host)).toBe(true),
  );
  test.each(["localhost.example", "notlocalhost", "128.0.0.1", "10.0.0.1", "[::2]", ""])(
    "isLoopbackHost() does not take %s",
    (host) => expect(isLoopbackHost(host)).toBe(false),
  );
  test("isLoopbackHost() sees through IPv4-mapped IPv6, dotted and as URL prints it", () => {
    expect(isLoopbackHost("::ffff:127.0.0.1")).toBe(true);
    expect(isLoopbackHost(new URL("http://[::ffff:127.0.0.1]/").hostname)).toBe(true);
  });
});

describe("isPrivateHost()", () => {
  test.each(["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fd00::1]", "nas.local"])(
    "isPrivateHost() takes %s",
    (host) => expect(isPrivateHost(host)).toBe(true),
  );
  test.each([
    "172.32.0.1",
    "11.0.0.1",
    "192.169.0.1",
    "local",
    "notlocal",
    "8.8.8.8",
    "[2001:db8::1]",
  ])("isPrivateHost() does not take %s", (host) => expect(isPrivateHost(host)).toBe(false));
});

describe("isMetadataHost()", () => {
  test.each([
    "169.254.169.254",
    "169.254.170.2",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "0.0.0.0",
  ])("isMetadataHost() takes %s", (host) => expect(isMetadataHost(host)).toBe(true));
  test.each(["http://0xA9FEA9FE/", "http://2852039166/", "http://[::ffff:169.254.169.254]/"])(
    "isMetadataHost() takes the host of %s, however it is spelled",
    (url) => expect(isMetadataHost(new URL(url).hostname)).toBe(true),
  );
  test.each(["ghcr.io", "169.253.0.1", "10.0.0.1", "127.0.0.1"])(
    "isMetadataHost() does not take %s",
    (host) => expect(isMetadataHost(host)).toBe(false),
  );
});

describe("isInNetwork()", () => {
  test.each([
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["10.1.2.3", "10.1.2.3/32", true],
    ["2001:db8::5", "2001:db8::/32", true],
    ["2001:db9::5", "2001:db8::/32", false],
    ["10.1.2.3", "10.0.0.0/33", false],
    ["10.1.2.3", "10.0.0.0/x", false],
    ["example.com", "10.0.0.0/8", false],
    ["10.1.2.3", "10.0.0.0", false],
  ] as const)("isInNetwork(%s, %s) is %s", (address, network, isInside) => {
    expect(isInNetwork(address, network)).toBe(isInside);
  });
});
